"""The name that a mistyped one most likely means."""
import difflib


def nearest(name, known):
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else ""


class FilterModule:
    def filters(self):
        return {"nearest": nearest}
