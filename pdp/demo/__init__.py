"""A made-up portal of any size: records and requests, the same ones again for the same seed.

Nothing here is of a real person or company: every number is made up and only has the right shape.
"""
