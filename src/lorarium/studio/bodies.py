"""What the page sends with a change, and within which limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Upload = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
MOST_WEIGHT = 10.0
BlockName = Annotated[str, Field(pattern=r"^[A-Z]{1,4}\d{0,2}$")]
BlockWeight = Annotated[float, Field(ge=-MOST_WEIGHT, le=MOST_WEIGHT)]
EntryName = Annotated[str, Field(min_length=1, max_length=200)]
EntryText = Annotated[str, Field(max_length=20_000)]
DType = Literal["", "fp16", "bf16", "fp32"]


class RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Note(RequestBody):
    note: str = Field(default="", max_length=20_000)
    tags: list[str] = Field(default=[], max_length=50)


class Search(RequestBody):
    text: str = Field(default="", max_length=1000)
    where: str = Field(default="", max_length=1000)
    keys: list[Key] = Field(default=[], max_length=8)
    uploads: list[Upload] = Field(default=[], max_length=32)
    chosen: dict[str, list[str]] = Field(default={}, max_length=8)
    own: str = Field(default="", max_length=60)
    count: int = Field(default=60, ge=1, le=200)


class Weighted(RequestBody):
    key: Key
    weight: float = Field(default=1.0, ge=-MOST_WEIGHT, le=MOST_WEIGHT)


class Mix(RequestBody):
    inputs: list[Weighted] = Field(min_length=1, max_length=4)
    method: str = Field(default="sum", max_length=40)
    numbers: dict[str, float] = Field(default={}, max_length=20)
    rank: int | Literal["full"] | None = None
    blocks: Annotated[str, Field(max_length=200)] | dict[BlockName, BlockWeight] = ""
    normalize: bool = False


class Merge(Mix):
    name: str = Field(min_length=1, max_length=120)
    folder: int = Field(default=0, ge=0)
    dialect: str = Field(default="", max_length=40)
    program: str = Field(default="", max_length=40)


class Drawing(Mix):
    prompt: str = Field(min_length=1, max_length=1000)
    count: int = Field(default=3, ge=1, le=8)
    steps: int = Field(default=20, ge=1, le=100)
    seed: Seed = 0
    alone: bool = True


class Darkroom(RequestBody):
    uploads: list[Upload] = Field(min_length=1, max_length=100)
    kind: Literal["style", "subject"] = "style"
    name: str = Field(min_length=1, max_length=120)
    folder: int = Field(default=0, ge=0)
    refine: int = Field(default=0, ge=0, le=2000)
    prompt: str = Field(default="", max_length=500)
    seed: Seed = 0


class Comparison(RequestBody):
    """Files side by side: each draws the same prompt from the same noises."""

    keys: list[Key] = Field(min_length=1, max_length=4)
    prompt: str = Field(min_length=1, max_length=1000)
    count: int = Field(default=3, ge=1, le=8)
    steps: int = Field(default=20, ge=1, le=100)
    seed: Seed = 0


class Wishes(RequestBody):
    """What a plan to tidy is to hold beside copies and useless files."""

    program: str = Field(default="", max_length=40)
    pattern: str = Field(default="", max_length=200)


class Choice(RequestBody):
    made: str = Field(pattern=r"^\d{1,20}$")
    chosen: list[int] = Field(max_length=100_000)


class Run(RequestBody):
    run: str = Field(default="", pattern=r"^[0-9-]{0,30}$")


class Batch(RequestBody):
    """The same for each of some files."""

    keys: list[Key] = Field(min_length=1, max_length=5000)


class Writing(Batch):
    """New files beside the old ones, which keep their names and get this at the end."""

    ending: str = Field(min_length=1, max_length=40)
    dtype: DType = ""


class Conversion(Writing):
    dialect: str = Field(default="", max_length=40)
    program: str = Field(default="", max_length=40)


class Resizing(Writing):
    rank: int | None = Field(default=None, ge=1, le=4096)
    energy: float | None = Field(default=None, gt=0, le=1)


class Entries(Batch):
    """Metadata to put in and to take out."""

    put: dict[EntryName, EntryText] = Field(default={}, max_length=50)
    remove: list[EntryName] = Field(default=[], max_length=50)
