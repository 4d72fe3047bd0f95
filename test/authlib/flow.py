"""Drives a running server with Authlib, as an app written by someone else would: it registers, signs somebody in, stays signed in, signs out.

Where a person is needed it prints "authorize URL" and reads where the browser came back to. It prints a line per promise.
"""

import os
import sys

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey

ISSUER = os.environ["ISSUER"]
RESOURCE = os.environ["RESOURCE"]
REDIRECT = os.environ["REDIRECT_URI"]
SCOPE = "openid email offline_access notes.read"
kept = broken = 0


def promise(sentence, holds):
    global kept, broken
    if holds:
        kept += 1
        print(f"ok - {sentence}", flush=True)
    else:
        broken += 1
        print(f"not ok - {sentence}", flush=True)


def person_goes_to(url):
    print(f"authorize {url}", flush=True)
    return sys.stdin.readline().strip()


def register(metadata, key):
    wanted = {
        "client_name": "authlib",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid email offline_access",
        "id_token_signed_response_alg": "ES256",
        "jwks": {"keys": [key.as_dict(private=False)]},
        **metadata,
    }
    answer = requests.post(SERVER["registration_endpoint"], json=wanted, timeout=10)
    promise("registration takes what the client is", answer.status_code == 201)
    return answer.json()["client_id"]


def session_of(client_id, key=None, alg=None):
    method = "private_key_jwt" if key else "none"
    session = OAuth2Session(
        client_id, key, scope=SCOPE, redirect_uri=REDIRECT, code_challenge_method="S256",
        token_endpoint_auth_method=method, revocation_endpoint_auth_method=method, token_endpoint=SERVER["token_endpoint"],
    )
    if key:  # what Authlib calls its token endpoint is the audience: the issuer alone (RFC 7523bis section 4)
        session.register_client_auth_method(PrivateKeyJWT(ISSUER, headers={"kid": key.kid}, alg=alg))
    return session


def request_object(session, key, alg, verifier, nonce):
    url, state = session.create_authorization_url(SERVER["authorization_endpoint"], code_verifier=verifier, nonce=nonce, resource=RESOURCE)
    asked = dict(requests.utils.unquote(pair).split("=", 1) for pair in url.split("?", 1)[1].replace("+", " ").split("&"))
    claims = {**asked, "iss": session.client_id, "aud": ISSUER}
    return jwt.encode({"alg": alg, "kid": key.kid, "typ": "oauth-authz-req+jwt"}, claims, key, algorithms=[alg]), state


def sign_in(session, build):
    """Asks as build makes it, and returns the tokens."""
    verifier, nonce = generate_token(48), generate_token()
    url, state = build(verifier, nonce)
    back = person_goes_to(url)
    promise("the answer names its issuer", f"iss={requests.utils.quote(ISSUER, safe='')}" in back)
    tokens = session.fetch_token(authorization_response=back, state=state, code_verifier=verifier)
    keys = KeySet.import_key_set(requests.get(SERVER["jwks_uri"], timeout=10).json())
    said = jwt.decode(tokens["id_token"], keys, algorithms=["ES256"]).claims
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": session.client_id}, nonce={"essential": True, "value": nonce},
    ).validate(said)
    promise("the code becomes tokens, and the ID token is right", bool(said["sub"]))
    return tokens


def live(session, tokens):
    """What an app does with what it got, to the end."""
    about = session.get(SERVER["userinfo_endpoint"])
    promise("a token for an API does not open userinfo", about.status_code == 401)
    first = tokens["refresh_token"]
    following = session.refresh_token()
    promise("a refresh brings the next token", following["refresh_token"] != first and following["scope"] == SCOPE)
    answer = session.revoke_token(SERVER["revocation_endpoint"], following["refresh_token"], "refresh_token")
    promise("a revocation is taken", answer.status_code == 200)
    try:
        session.refresh_token()
        promise("what was revoked is over", False)
    except OAuthError as refusal:
        promise("what was revoked is over", refusal.error == "invalid_grant")


def public():
    key = ECKey.generate_key("P-256", {"kid": "unused"})
    session = session_of(register({"token_endpoint_auth_method": "none"}, key))

    def build(verifier, nonce):
        return session.create_authorization_url(SERVER["authorization_endpoint"], code_verifier=verifier, nonce=nonce, resource=RESOURCE)

    tokens = sign_in(session, build)
    live(session, tokens)


def signer(key, alg):
    """A client that proves itself by its key, and signs and pushes what it asks."""
    session = session_of(register({
        "token_endpoint_auth_method": "private_key_jwt", "require_signed_request_object": True, "require_pushed_authorization_requests": True,
    }, key), key, alg)

    def build(verifier, nonce):
        signed, state = request_object(session, key, alg, verifier, nonce)
        answer = session.post(  # Authlib has no call of its own for RFC 9126, but signs whatever is sent
            SERVER["pushed_authorization_request_endpoint"], data={"client_id": session.client_id, "request": signed},
            withhold_token=True, auth=session.client_auth("private_key_jwt"),
        )
        promise("a signed request is pushed", answer.status_code == 201)
        params = {"client_id": session.client_id, "request_uri": answer.json()["request_uri"]}
        return requests.Request("GET", SERVER["authorization_endpoint"], params=params).prepare().url, state

    tokens = sign_in(session, build)
    live(session, tokens)


SERVER = requests.get(ISSUER + "/.well-known/openid-configuration", timeout=10).json()
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the server under test is on loopback
public()
signer(ECKey.generate_key("P-256", {"kid": "ec"}), "ES256")
signer(OKPKey.generate_key("Ed25519", {"kid": "okp"}), "Ed25519")
print(f"{kept} passed, {broken} failed")
sys.exit(broken)
