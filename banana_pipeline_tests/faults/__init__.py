"""Disasters: the installed program is cheated, starved, stopped and killed, and then judged by the service's books."""
