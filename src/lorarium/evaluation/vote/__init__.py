"""Blind votes: sheets of pictures whose sources nobody can tell, and the tally of what voters say.
See docs/votes.md. Nothing here runs a network but `sources`, which draws what ships today.
"""

from lorarium.evaluation.vote.answers import Vote, merge_votes, read_key, read_sheets, read_votes
from lorarium.evaluation.vote.ballots import Ballot, Candidates
from lorarium.evaluation.vote.folders import read_ballots
from lorarium.evaluation.vote.judge_agreement import JudgeVerdicts, compare_judge, read_verdicts
from lorarium.evaluation.vote.page import write_page
from lorarium.evaluation.vote.report import count_votes, summary, vote_document
from lorarium.evaluation.vote.sheets import make_sheets
from lorarium.evaluation.vote.tally import open_votes, tally

__all__ = [
    "Ballot",
    "Candidates",
    "JudgeVerdicts",
    "Vote",
    "compare_judge",
    "count_votes",
    "make_sheets",
    "merge_votes",
    "open_votes",
    "read_ballots",
    "read_key",
    "read_sheets",
    "read_verdicts",
    "read_votes",
    "summary",
    "tally",
    "vote_document",
    "write_page",
]
