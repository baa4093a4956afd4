"""From numbers to pictures: colour maps, scales and static figures.

The arithmetic here is the arithmetic of the page, to the byte: what the browser draws from a
map can be drawn again in Python, and the tests compare the two.
"""
