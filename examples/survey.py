"""A question to everybody, and answers for a while: SURVEYOR asks, each RESPONDENT may answer or keep silent.

surveyor ─┬─ respondent ann
          ├─ respondent bob
          └─ respondent eve, who never answers
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sockstack import LocalProtocolError, Respondent, Socket, Surveyor, SurveyOver

LOADS = {b"ann": 3, b"bob": 1, b"eve": 0}


def answer(name: bytes, address: str) -> int:
    """Answer surveys until told to go; give the number of questions."""
    questions = 0
    with Socket(Respondent(), dial=address, timeout=20) as sock:
        for question in sock:
            questions += 1
            if question == b"go home":
                break
            if name != b"eve":
                sock.send(b"%s %d" % (name, LOADS[name]))
    return questions


def main() -> None:
    with (
        ThreadPoolExecutor() as threads,
        Socket(Surveyor(survey_time=2), timeout=10) as surveyor,
    ):
        events = surveyor.events()
        address = surveyor.listen("tcp://127.0.0.1:0").url
        print(f"surveyor: listens on {address}")
        respondents = [threads.submit(answer, name, address) for name in LOADS]
        for _ in LOADS:
            print(f"surveyor: {events.recv(timeout=10)}")

        surveyor.send(b"how busy are you?")
        answers = sorted(surveyor)  # until the survey's time is over
        print(f"surveyor: got {answers}; who keeps silent costs nothing but the time")
        assert answers == [b"ann 3", b"bob 1"], answers

        surveyor.send(b"who is first?")
        first = surveyor.recv()
        surveyor.send(b"go home")  # ends the survey before
        print(
            f"surveyor: the first was {first!r}; answers to an old survey do not show up any more"
        )
        try:
            late = surveyor.recv()
        except SurveyOver as over:
            print(f"surveyor: {over.message}")
        else:
            raise AssertionError(f"an answer to another survey: {late!r}")
        try:
            surveyor.recv()
        except LocalProtocolError as error:
            print(f"surveyor: once more: {error.message}")

        asked = [respondent.result() for respondent in respondents]
        print(f"respondents: were asked {asked} times")
        assert asked == [3, 3, 3], asked


if __name__ == "__main__":
    main()
