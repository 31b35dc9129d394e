"""Amazon's stand-in over real HTTP, in a process of its own: `python -m apps.sandbox --port 8123`.

It knows nothing of ours and is imported by nobody.
"""
