"""BI: the marts, the published database, and what people take out of it."""
