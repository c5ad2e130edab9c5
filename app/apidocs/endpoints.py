"""The documentation page: Swagger UI, served from this machine, under a policy without inline scripts.

FastAPI's own page loads Swagger UI from a public host and starts it with a script in the page. Here a package of the
index brings the files, and the script is a file as well. All addresses are relative: the page works below any prefix
that a proxy adds.
"""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

HERE = Path(__file__).parent

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Its arrows and icons are data addresses in the style sheet.
        "img-src 'self' data:",
        # "Execute" and "Authorize" ask this service, and nobody else.
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

REVALIDATE = {"Cache-Control": "no-cache"}
"""The same for everybody, so that it may be kept; but asked for again, since an update may have changed it."""


def add_documentation(app: FastAPI) -> None:
    """Serve the page at `/docs`, and what it loads below."""
    app.add_api_route("/docs", documentation_page, response_class=Response, include_in_schema=False)
    app.add_api_route("/docs/start.js", start_script, response_class=Response, include_in_schema=False)
    app.mount("/docs/swagger-ui", _SharedFiles(directory=str(files("fastapi_swagger") / "resources")))


async def documentation_page() -> Response:
    """Every endpoint, to read and to try."""
    return FileResponse(HERE / "page.html", headers={"Content-Security-Policy": POLICY, **REVALIDATE})


async def start_script() -> Response:
    """What starts Swagger UI in the page."""
    return FileResponse(HERE / "start.js", headers=REVALIDATE)


class _SharedFiles(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they come
        response.headers.update(REVALIDATE)
        return response
