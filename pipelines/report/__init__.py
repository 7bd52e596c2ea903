"""The report: one file a language for people who read, made of the published database alone.

Belongs here: what the report says, how it looks, and writing it; one module a subject. Must not be here: computing
scores or tables (see ``sql/marts``), or anything about one customer: the worklist is a table of the BI database.
"""
