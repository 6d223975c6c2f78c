"""Local video services that render a real MP4 from the picture; none of the bot's code is in them.

To add a wire, write a module with a subclass of `base.LocalProvider`:

1. `routes`: a `Route` for each request of the API. The one that makes a video is named "create".
2. `answer(exchange, job)`: what a request gets with which nothing is wrong. For "create", check the request (raise
   `RequestRefused` with an `ErrorReply`) and call `self.make(exchange, ...)`; the job is rendered, counted and charged.
3. `error_body(error)`: an error in the form of the API.
4. `bot_settings(folder)`: the settings with which a bot uses it.
5. `violations(exchange)`, where there is a published description: what does not fit it.
6. A line in `registry.py`, so that `python -m sandbox --provider NAME` and the page know it.

The base gives it a server, the key, faults on each route (`provider.faults.inject("create:lost")`), hooks, videos at
`video_url(job)`, and the counts that tests ask for (`times_created`, `times_charged`).
"""
