"""The web page: a server for one person on this machine, and the page that it shows.

`app` makes the server, `guard` decides who may ask what, `allowed` which files may be touched,
`jobs` does long work one piece at a time in a process of its own (`work`).
"""
