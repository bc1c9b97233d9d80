"""Questions to the history over MCP, the Model Context Protocol, for AI assistants.

Only `hassette_sync.assistants.server` imports the SDK, which the extra ``mcp`` installs.
"""
