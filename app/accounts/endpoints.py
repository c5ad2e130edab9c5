"""Who calls, and the routes by which people sign in and out. One service call each."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Cookie, Depends, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm

from app.accounts.assembly import Accounts
from app.accounts.google import CALLBACK_PATH, COOKIE_SECONDS
from app.accounts.schemas import (
    AccountDeletion,
    Me,
    PasswordChange,
    RefreshRequest,
    RegisterRequest,
    ResetConfirmation,
    ResetRequest,
    TokensPublic,
    UserPublic,
)
from app.accounts.tokens import Caller
from app.core.errors import (
    AccountsOff,
    EmailTaken,
    EmailUnverified,
    GoogleOff,
    IdentityUnavailable,
    InvalidRequest,
    MailOff,
    NotFound,
    NotReady,
    RateLimited,
    RegistrationClosed,
    Unauthorized,
    problems,
)
from app.core.hosts import bare_address

router = APIRouter(prefix="/api/v1", tags=["accounts"])

GOOGLE_COOKIE = "greenroom_google"
GOOGLE_PATH = CALLBACK_PATH.rpartition("/")[0]

bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", refreshUrl="/api/v1/auth/refresh", auto_error=False)


def accounts(request: Request) -> Accounts:
    """The application's accounts."""
    found: Accounts = request.app.state.accounts
    return found


AccountsDep = Annotated[Accounts, Depends(accounts)]


async def current_caller(accounts: AccountsDep, token: Annotated[str | None, Depends(bearer)]) -> Caller:
    """Who is signed in; in local mode the one person there is."""
    return await accounts.caller(token)


CallerDep = Annotated[Caller, Depends(current_caller)]


async def current_owner(caller: CallerDep) -> UUID:
    """The user whose data the request may see."""
    return caller.user_id


OwnerDep = Annotated[UUID, Depends(current_owner)]
"""The id that every service call about somebody's data takes; nothing else decides whose data it is."""


def sign_in_check(accounts: AccountsDep, caller: CallerDep) -> Callable[[], Awaitable[None]]:
    """Whether the caller is still signed in, for an answer that takes long: raises Unauthorized if not."""
    return partial(accounts.check, caller)


SignInCheckDep = Annotated[Callable[[], Awaitable[None]], Depends(sign_in_check)]


def client_address(request: Request) -> str | None:
    """Where the request comes from; behind a proxy the server in front of us is told to say it (forwarded headers).

    None where that is no address: a header may hold any text.
    """
    return bare_address(request.client.host) if request.client else None


ClientDep = Annotated[str | None, Depends(client_address)]


def no_store(response: Response) -> None:
    """Nobody on the way keeps an answer with tokens in it."""
    response.headers["Cache-Control"] = "no-store"


@router.post(
    "/auth/register",
    status_code=201,
    responses=problems(AccountsOff, RegistrationClosed, EmailTaken, InvalidRequest, RateLimited),
)
async def register(body: RegisterRequest, accounts: AccountsDep, client: ClientDep) -> UserPublic:
    """Make an account. Sign in next, at `POST /auth/token`."""
    made = await accounts.sign_ins.accounts.register(
        body.email, body.password.get_secret_value(), client_address=client
    )
    return UserPublic.of(made)


@router.post(
    "/auth/token",
    dependencies=[Depends(no_store)],
    responses=problems(AccountsOff, Unauthorized, InvalidRequest, RateLimited),
)
async def sign_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], accounts: AccountsDep, client: ClientDep
) -> TokensPublic:
    """Sign in with the OAuth 2 password form: `username` is the e-mail address."""
    tokens = await accounts.sign_ins.accounts.sign_in(form.username, form.password, client_address=client)
    return TokensPublic.of(tokens)


@router.post(
    "/auth/refresh",
    dependencies=[Depends(no_store)],
    responses=problems(AccountsOff, Unauthorized, InvalidRequest),
)
async def refresh(body: RefreshRequest, accounts: AccountsDep, client: ClientDep) -> TokensPublic:
    """The next tokens. Each refresh token works once; a second use ends the sign-in."""
    tokens = await accounts.sign_ins.sessions.refresh(body.refresh_token.get_secret_value(), client_address=client)
    return TokensPublic.of(tokens)


@router.post("/auth/logout", status_code=204, responses=problems(AccountsOff, InvalidRequest))
async def sign_out(body: RefreshRequest, accounts: AccountsDep, client: ClientDep) -> None:
    """Sign out: this sign-in's refresh and access tokens stop working."""
    await accounts.sign_ins.sessions.end(body.refresh_token.get_secret_value(), client_address=client)


@router.get("/me", responses=problems(Unauthorized, NotFound))
async def read_me(owner_id: OwnerDep, accounts: AccountsDep) -> Me:
    """Who is signed in."""
    return await accounts.profiles.me(owner_id)


@router.post(
    "/me/password",
    status_code=204,
    responses=problems(AccountsOff, Unauthorized, InvalidRequest, RateLimited),
)
async def change_password(body: PasswordChange, caller: CallerDep, accounts: AccountsDep, client: ClientDep) -> None:
    """Set another password. Every sign-in ends, this one too."""
    await accounts.sign_ins.accounts.change_password(
        caller,
        body.current_password.get_secret_value() if body.current_password else None,
        body.new_password.get_secret_value(),
        client_address=client,
    )


@router.delete("/me", status_code=204, responses=problems(AccountsOff, Unauthorized, InvalidRequest, RateLimited))
async def delete_me(body: AccountDeletion, caller: CallerDep, accounts: AccountsDep, client: ClientDep) -> None:
    """Delete the account and everything in it. There is no way back."""
    await accounts.sign_ins.accounts.delete(
        caller, body.password.get_secret_value() if body.password else None, client_address=client
    )


@router.post(
    "/auth/password-reset",
    status_code=202,
    responses=problems(AccountsOff, MailOff, InvalidRequest, RateLimited),
)
async def request_password_reset(body: ResetRequest, accounts: AccountsDep, client: ClientDep) -> None:
    """Send a code to the address, if it has an account. The answer is the same either way."""
    await accounts.reset.request(body.email, client_address=client)


@router.post(
    "/auth/password-reset/confirm",
    status_code=204,
    responses=problems(AccountsOff, MailOff, Unauthorized, InvalidRequest, RateLimited),
)
async def confirm_password_reset(body: ResetConfirmation, accounts: AccountsDep, client: ClientDep) -> None:
    """Set a new password with the code from the e-mail. Every sign-in ends."""
    await accounts.reset.confirm(
        body.email, body.code.get_secret_value(), body.new_password.get_secret_value(), client_address=client
    )


@router.get(
    "/auth/google",
    status_code=302,
    response_class=RedirectResponse,
    responses=problems(AccountsOff, GoogleOff, IdentityUnavailable, NotReady),
)
async def depart_for_google(accounts: AccountsDep) -> RedirectResponse:
    """Go and sign in at Google."""
    departure = await accounts.external.depart()
    response = RedirectResponse(departure.url, status_code=302)
    response.set_cookie(
        GOOGLE_COOKIE,
        departure.cookie,
        max_age=COOKIE_SECONDS,
        path=GOOGLE_PATH,
        secure=accounts.external.is_secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(
    "/auth/google/callback",
    dependencies=[Depends(no_store)],
    responses=problems(
        AccountsOff,
        GoogleOff,
        Unauthorized,
        EmailUnverified,
        RegistrationClosed,
        IdentityUnavailable,
        NotReady,
        InvalidRequest,
    ),
)
async def arrive_from_google(
    accounts: AccountsDep,
    client: ClientDep,
    response: Response,
    *,
    code: str | None = None,
    state: str | None = None,
    memory: Annotated[str | None, Cookie(alias=GOOGLE_COOKIE)] = None,
) -> TokensPublic:
    """Back from Google: the tokens."""
    tokens = await accounts.external.arrive(code=code, state=state, cookie=memory, client_address=client)
    response.delete_cookie(GOOGLE_COOKIE, path=GOOGLE_PATH)
    return TokensPublic.of(tokens)
