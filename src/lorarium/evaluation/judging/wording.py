"""What a chat judge is asked, and how its answers are read.

The paper's questions name a support and a test picture, and its code takes any text that holds a
"yes" for one. Ours ask of two pictures in either order, and an answer counts only when it says one
thing and nothing else; whatever cannot be read is a failure, never a yes.
"""

from __future__ import annotations

import re

from lorarium.evaluation.judging.comparison import Aspect

YES_NO, POINTS = "yes-no", "0-100"
SCALES = (YES_NO, POINTS)

_SUBJECT = (
    "Compare shape, proportions, parts, markings and colours in detail: another individual of the "
    "same kind is a different one. Style, technique, background, pose and light may differ."
)
_STYLE = (
    "Compare line, brushwork, palette, texture, shading and the treatment of the ground: another "
    "artist who works in the same technique has a different style. Ignore what is shown."
)
_BANDS = {
    "subject": "0-25: another thing; 26-50: the same kind, another individual; "
    "51-75: probably the same individual, with differences; 76-100: the same individual",
    "style": "0-25: another style; 26-50: the same technique, another artist; "
    "51-75: probably the same artist, with differences; 76-100: the same style",
}


def question(
    aspect: Aspect, scale: str, *, paper: bool = False, subject: str = "", style: str = ""
) -> str:
    """The words beside two pictures. `subject` and `style` name them, where names are known."""
    same = {
        "subject": f"show the same {subject or 'individual'}",
        "style": f"share one artistic style{f' ({style})' if style else ''}, as by one artist",
    }[aspect]
    if paper:
        asked = "The first picture is the reference, the second one is under test. " + (
            f"Is the {subject or 'subject'} of the test picture the one of the reference? "
            "Pay attention to details such as colour; the general style may differ."
            if aspect == "subject"
            else f"The reference is in {style or 'a certain'} style. Is the test picture in "
            "that style? Ignore what it shows."
        )
    else:
        detail = _SUBJECT if aspect == "subject" else _STYLE
        asked = f"Look at the two pictures. Do they {same}? {detail}"
    if scale == YES_NO:
        return f"{asked}\nEnd with one line: ANSWER: yes, or ANSWER: no."
    return (
        f"{asked}\nRate this from 0 to 100 ({_BANDS[aspect]}).\n"
        "End with one line: ANSWER: and the number."
    )


# the word must end its line: "ANSWER: yes or no" is no answer
_MARKED = re.compile(
    r"answer\s*\W{0,4}:\s*[^\w\s+-]{0,4}\s*(\w+(?:\.\d+)?)(?:/100)?[\s.!*_\"'`)\]}]*?(?=\n|$)", re.I
)
_MARKS = re.compile(r"answer\s*\W{0,4}:", re.I)
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.I | re.S)
_WORD = re.compile(r"\b(yes|no)\b", re.I)


def _without_thoughts(text: str) -> str | None:
    """The answer proper; None while the model still thinks."""
    text = _THOUGHT.sub(" ", text)
    return None if re.search(r"<think(?:ing)?>", text, re.I) else text.strip()


def read_yes_no(text: str) -> bool | None:
    """An `ANSWER:` line that is yes or no, or a text that begins with one of them and never
    says the other; None for everything else."""
    answer = _without_thoughts(text)
    if not answer:
        return None
    if marks := _MARKS.findall(answer):
        marked = [m.lower() for m in _MARKED.findall(answer)]
        clear = len(marked) == len(marks) and set(marked) in ({"yes"}, {"no"})
        return marked[0] == "yes" if clear else None
    words = {m.lower() for m in _WORD.findall(answer)}
    first = re.match(r"\W*(yes|no)(?:[.,;:!)*_\"'-]|\s*\n|\s*$)", answer, re.I)
    return first[1].lower() == "yes" if first and len(words) == 1 else None


def read_points(text: str) -> float | None:
    """A number from 0 to 100, after `ANSWER:` or as the whole text; None for everything else."""
    answer = _without_thoughts(text)
    if not answer:
        return None
    marks, marked = _MARKS.findall(answer), _MARKED.findall(answer)
    numbers = set(marked) if marks else {answer.strip(" .*").removesuffix("/100")}
    if len(numbers) != 1 or len(marks) != len(marked):
        return None
    number = numbers.pop()
    if not re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,3})?", number):
        return None
    return float(number) if float(number) <= 100 else None
