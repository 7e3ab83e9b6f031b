"""Reads pictures and videos for a person, without a broker, a database or a camera's registration (`alpr read`).

`pictures` makes frames of files, `videos` of moving pictures, `passing` makes reads of both by the rules of `sighting`, and
`desk` takes orders from the command and answers them. Nothing is kept.
"""
