"""Annotated tags `ops-YYYY-MM-DD-NNN`: an entry's text and hash, kept and pushed by git."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtops.errors import HostError
from qtops.ledger.entry import Entry
from qtops.ledger.yamltext import dump

if TYPE_CHECKING:
    import git

_HASH: Final = re.compile(r"^entry_hash: \"?([0-9a-f]{64})\"?$", re.MULTILINE)


def tag_name(operation_id: str) -> str:
    """`ops-2026-01-27-011`."""
    return operation_id.lower()


def tag(root: Path, entry: Entry) -> bool:
    """Tag HEAD with the entry; False when it was tagged before. A tag is never moved."""
    import git

    name = tag_name(str(entry["operation_id"]))
    if (recorded := heads(root).get(name)) is not None:
        if recorded != entry["entry_hash"]:
            raise HostError(f"tag {name} is there with another hash", hint="qtops ledger verify")
        return False
    body = {field: value for field, value in entry.items() if field != "signatures"}
    repository = _repository(root)
    try:
        repository.create_tag(name, message=dump(body), cleanup="verbatim")
    except (git.GitCommandError, ValueError) as error:
        reason = str(getattr(error, "stderr", error)).strip()
        hint = f"the entry is in the log; repair git, then: qtops ledger tag {name.upper()}"
        raise HostError(f"git could not make the tag {name}: {reason}", hint=hint) from error
    finally:
        repository.close()
    return True


def check_taggable(root: Path) -> None:
    """HostError unless there is a commit that a tag can stand on."""
    repository = _repository(root)
    try:
        if not repository.head.is_valid():
            raise HostError(f"the repository of {root} has no commit to tag", hint="git commit")
    finally:
        repository.close()


def heads(root: Path) -> dict[str, str]:
    """The hash that each annotated tag of the ledger recorded; empty outside a repository."""
    if not any((place / ".git").exists() for place in (root, *root.parents)):
        return {}
    repository = _repository(root)
    try:
        found = {}
        for reference in repository.tags:
            if reference.name.startswith("ops-") and reference.tag is not None:
                recorded = _HASH.search(str(reference.tag.message))
                found[reference.name] = recorded[1] if recorded else ""
        return found
    finally:
        repository.close()


def _repository(root: Path) -> "git.Repo":
    import git

    try:
        return git.Repo(root, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        raise HostError(f"{root} is in no git repository") from error
