"""One trial → its record: run it, end it when it hangs, keep the machine quiet for it."""
