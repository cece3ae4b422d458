"""glowflow's commands one after another in processes of torchrun, which import everything once.

Each command runs in a fork, because it ends its process. The commands are one argument, a list of lists in JSON.
"""

import json
import os
import sys

if __name__ == "__main__":
    import torch._dynamo  # noqa: F401  what optimisers load

    import glowflow.scoring
    import glowflow.training  # noqa: F401
    from glowflow.cli import main

    for command in json.loads(sys.argv[1]):
        if (child := os.fork()) == 0:
            main(command)
        if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(code)
