"""Services that run beside us on other machines: here as real processes on this one."""
