"""Two-stage recommendation: a retriever, an index and a ranker, judged by the shop they would run.

`world` is the mock shop whose truth is known, `splits` and `metrics` say how a log is cut and scored,
`retrieval` and `ranking` hold the components, `pipeline` joins them into one deployable, `evaluation`,
`online` and `off_policy` judge it; `task` is what the harness calls.
"""
