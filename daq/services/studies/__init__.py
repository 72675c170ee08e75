"""Studies for people: lists, pages, and jobs that make something of a recording in a process of their own."""
