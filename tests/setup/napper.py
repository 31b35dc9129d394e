"""A program for the supervisor to watch: says who it and its child are, then sleeps."""

import os
import subprocess
import time

child = subprocess.Popen(["sleep", "600"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
