"""What the tracked names of a file are, and what an instance follows in the end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from config_service.keepalived.election import OWNER
from config_service.keepalived.groups import GroupDraft
from config_service.keepalived.instance import InstanceDraft
from config_service.keepalived.trackers import TrackerDraft
from config_service.keepalived.tracking import TrackDraft
from config_service.keepalived.values import missing
from config_service.problems import quoted
from config_service.report import Report
from vipbus.contracts import Track, name_token

_NOUNS: Final = {"script": "vrrp_script", "file": "track_file", "process": "vrrp_track_process"}


class Sources:
    """Scripts, files and processes by name; remembers which of them somebody follows."""

    def __init__(self, drafts: Iterable[TrackerDraft], report: Report) -> None:
        self._report = report
        self._known: dict[tuple[str, str], TrackerDraft] = {}
        self._used: set[tuple[str, str]] = set()
        self._of_groups: dict[int, list[tuple[TrackDraft, Track]]] = {}
        tokens: dict[tuple[str, str], TrackerDraft] = {}
        for draft in drafts:
            self._known.setdefault((draft.kind, draft.name), draft)
            other = tokens.setdefault((draft.kind, name_token(draft.name)), draft)
            if other is not draft:
                report.error(
                    draft.statement.file,
                    draft.statement.line,
                    f"{draft.noun} {quoted(draft.name)} cannot be told from {quoted(other.name)} on line "
                    f"{other.statement.line}; rename one",
                )

    def used(self, checked: Collection[str]) -> list[TrackerDraft]:
        """Give those that an instance follows; those that nobody does are told, and run for nobody.

        ``checked`` names the files that real servers are checked by.
        """
        for place, draft in self._known.items():
            if place not in self._used and not (draft.kind == "file" and draft.name in checked):
                self._report.warning(
                    draft.statement.file,
                    draft.statement.line,
                    f"{draft.noun} {quoted(draft.name)} is tracked by nobody and is left out",
                )
        return [draft for place, draft in self._known.items() if place in self._used]

    def tracks(self, draft: InstanceDraft, group: GroupDraft | None, priority: int) -> tuple[Track, ...]:
        """Give what an instance follows, what its sync group follows included."""
        shared = self._group_tracks(group) if group is not None else []
        own = self._resolved(draft.tracks)
        kept = [(line, track) for line, track in own if self._counts(line, track, draft, group, shared)]
        found = [*kept, *shared]
        if priority == OWNER:
            found = [(line, track) for line, track in found if not self._moves_owner(line, track, draft)]
        return tuple(track for _, track in found)

    def _group_tracks(self, group: GroupDraft) -> list[tuple[TrackDraft, Track]]:
        """Resolve them once, so that an unknown name is told once."""
        if id(group) not in self._of_groups:
            self._of_groups[id(group)] = self._resolved(group.tracks)
        return self._of_groups[id(group)]

    def _resolved(self, lines: Sequence[TrackDraft]) -> list[tuple[TrackDraft, Track]]:
        found: list[tuple[TrackDraft, Track]] = []
        for line in lines:
            if line.kind == "interface":
                found.append((line, line.compiled()))
                continue
            place = (line.kind, line.name)
            source = self._known.get(place)
            if source is None:
                known = [name for kind, name in self._known if kind == line.kind]
                self._report.error(
                    line.statement.file,
                    line.statement.line,
                    missing(_NOUNS[line.kind], line.name, known),
                )
                continue
            self._used.add(place)
            found.append((line, line.compiled(source.weight, source.reverse)))
        return found

    def _counts(
        self,
        line: TrackDraft,
        track: Track,
        draft: InstanceDraft,
        group: GroupDraft | None,
        shared: Sequence[tuple[TrackDraft, Track]],
    ) -> bool:
        """Say whether an instance's own line counts, as keepalived has it."""
        why = ""
        if track.kind == "interface" and track.name == draft.interface:
            why = "the instance follows its own interface anyway"
        elif any((other.kind, other.name) == (track.kind, track.name) for _, other in shared):
            why = "its sync group follows it already"
        elif group is not None and track.weight and not group.member_weights:
            why = "in a sync group the priorities must move together; put it into the group"
        if why:
            self._void(line, why)
        return not why

    def _moves_owner(self, line: TrackDraft, track: Track, draft: InstanceDraft) -> bool:
        if track.weight:
            self._void(line, f"priority 255 of {draft.name} owns the addresses, and no weight moves it")
        return bool(track.weight)

    def _void(self, line: TrackDraft, why: str) -> None:
        self._report.warning(
            line.statement.file, line.statement.line, f"{line.name} has no effect here: {why}"
        )
