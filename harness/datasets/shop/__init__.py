"""The mock shop: a generative world whose truth is known, apart from what a model may see.

`truth` draws items and users, `policy` is the shop's current recommender with exact propensities, `log`
lets it run for some weeks, `outcomes` gives what any slate earns in closed form, `audit` says how real it
looks. Parameters follow what is published of real shops, see the arguments of `Shop`.
"""
