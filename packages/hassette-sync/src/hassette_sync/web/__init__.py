"""The pages and the HTTP API. They need the extra ``web``.

A request passes `access` (tokens and allowed hosts). `application` routes it to `pages` or `api`, whose parameters are
defined in `parameters`. `rendering` makes the HTML of a page. `stream` sends live updates.
"""
