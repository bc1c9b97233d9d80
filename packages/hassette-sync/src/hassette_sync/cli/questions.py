"""The commands of questions, each as a command of ``hassette``: the entry points of the group ``hassette.commands``."""

from hassette_sync.cli.main import questions

status = questions["status"]
why = questions["why"]
why_not = questions["why-not"]
apps = questions["apps"]
handler = questions["handler"]
handlers = questions["handlers"]
jobs = questions["jobs"]
runs = questions["runs"]
show = questions["show"]
errors = questions["errors"]
logs = questions["logs"]
events = questions["events"]
not_run = questions["not-run"]
timeline = questions["timeline"]
uptime = questions["uptime"]
running = questions["running"]
upcoming = questions["upcoming"]
compare = questions["compare"]
sessions = questions["sessions"]
tail = questions["tail"]
