package dev.sojourn.test;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientAuthenticationMethod;
import com.nimbusds.oauth2.sdk.auth.JWTAuthenticationClaimsSet;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.client.ClientRegistrationResponse;
import com.nimbusds.oauth2.sdk.id.Audience;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.RefreshToken;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponse;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientInformation;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientMetadata;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationRequest;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationResponseParser;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;

/**
 * Drives a running server with Nimbus: registers, signs somebody in, stays signed in, signs out. Where a person is needed it prints
 * "authorize URL" and reads where the browser came back to. It prints a line per promise.
 */
public final class Flow {
  private static final Map<String, String> ENV = System.getenv();
  private static final Issuer ISSUER = new Issuer(ENV.get("ISSUER"));
  private static final URI REDIRECT = URI.create(ENV.get("REDIRECT_URI"));
  private static final BufferedReader PERSON = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
  private static int kept;
  private static int broken;

  private final OIDCProviderMetadata server;
  private final JWK key; // null: a public client, which signs nothing
  private final JWSAlgorithm alg;
  private OIDCClientInformation client;

  private Flow(OIDCProviderMetadata server, JWK key, JWSAlgorithm alg) {
    this.server = server;
    this.key = key;
    this.alg = alg;
  }

  public static void main(String[] args) throws Exception {
    OIDCProviderMetadata server = OIDCProviderMetadata.resolve(ISSUER);
    new Flow(server, null, null).walk(true);
    new Flow(server, null, null).walk(false);
    new Flow(server, new ECKeyGenerator(Curve.P_256).keyID("ec").generate(), JWSAlgorithm.ES256).walk(false);
    new Flow(server, new RSAKeyGenerator(2048).keyID("rsa").generate(), JWSAlgorithm.PS256).walk(true);
    System.out.println(kept + " passed, " + broken + " failed");
    System.exit(broken);
  }

  private static void promise(String sentence, boolean holds) {
    if (holds) {
      kept++;
    } else {
      broken++;
    }
    System.out.println((holds ? "ok - " : "not ok - ") + sentence);
  }

  /** The whole life of a session: at the API that tokens are for, or at the server itself. */
  private void walk(boolean api) throws Exception {
    register();
    CodeVerifier verifier = new CodeVerifier();
    Nonce nonce = new Nonce();
    AuthenticationResponse answer = signIn(ask(verifier, nonce, api));
    promise("the answer names its issuer", ISSUER.equals(answer.getIssuer()));
    AuthorizationGrant grant = new AuthorizationCodeGrant(answer.toSuccessResponse().getAuthorizationCode(), REDIRECT, verifier);
    OIDCTokenResponse tokens = redeem(grant);
    IDTokenValidator validator = IDTokenValidator.create(server, client);
    String sub = validator.validate(tokens.getOIDCTokens().getIDToken(), nonce).getSubject().getValue();
    promise("the code becomes tokens, and the ID token is right", !sub.isEmpty());
    if (!api) {
      UserInfoResponse about =
          UserInfoResponse.parse(new UserInfoRequest(server.getUserInfoEndpointURI(), tokens.getTokens().getAccessToken()).toHTTPRequest().send());
      promise("userinfo is of who signed in", about.toSuccessResponse().getUserInfo().getSubject().getValue().equals(sub));
    }
    goOn(tokens.getTokens().getRefreshToken(), api);
  }

  private void register() throws Exception {
    OIDCClientMetadata wanted = new OIDCClientMetadata();
    wanted.setName("nimbus");
    wanted.setRedirectionURI(REDIRECT);
    wanted.setGrantTypes(Set.of(GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN));
    wanted.setScope(new Scope("openid", "email", "offline_access"));
    wanted.setTokenEndpointAuthMethod(key == null ? ClientAuthenticationMethod.NONE : ClientAuthenticationMethod.PRIVATE_KEY_JWT);
    if (key != null) {
      wanted.setJWKSet(new JWKSet(key.toPublicJWK()));
      wanted.setTokenEndpointAuthJWSAlg(alg);
      wanted.setRequestObjectJWSAlg(alg);
    }
    ClientRegistrationResponse answer = OIDCClientRegistrationResponseParser.parse(
        new OIDCClientRegistrationRequest(server.getRegistrationEndpointURI(), wanted, null).toHTTPRequest().send());
    promise("registration takes what the client is", answer.indicatesSuccess());
    client = (OIDCClientInformation) answer.toSuccessResponse().getClientInformation();
  }

  /** What the person's browser is sent with; a client with a key signs the request and pushes it. */
  private AuthorizationRequest ask(CodeVerifier verifier, Nonce nonce, boolean api) throws Exception {
    Scope scope = new Scope("openid", "email", "offline_access");
    AuthenticationRequest.Builder plain = new AuthenticationRequest.Builder(ResponseType.CODE, scope, client.getID(), REDIRECT)
        .endpointURI(server.getAuthorizationEndpointURI()).state(new State()).nonce(nonce).codeChallenge(verifier, CodeChallengeMethod.S256);
    if (api) {
      scope.add("notes.read");
      plain.resource(URI.create(ENV.get("RESOURCE")));
    }
    if (key == null) {
      return plain.build();
    }
    JWTClaimsSet.Builder claims = new JWTClaimsSet.Builder(plain.build().toJWTClaimsSet()).issuer(client.getID().getValue()).audience(ISSUER.getValue());
    SignedJWT signed = new SignedJWT(
        new JWSHeader.Builder(alg).keyID(key.getKeyID()).type(new JOSEObjectType("oauth-authz-req+jwt")).build(), claims.build());
    signed.sign(alg == JWSAlgorithm.ES256 ? new ECDSASigner(key.toECKey()) : new RSASSASigner(key.toRSAKey()));
    PushedAuthorizationResponse answer = PushedAuthorizationResponse.parse(new PushedAuthorizationRequest(
        server.getPushedAuthorizationRequestEndpointURI(), proof(), new AuthenticationRequest.Builder(signed, client.getID()).build())
        .toHTTPRequest().send());
    promise("a signed request is pushed", answer.indicatesSuccess());
    return new AuthenticationRequest.Builder(answer.toSuccessResponse().getRequestURI(), client.getID())
        .endpointURI(server.getAuthorizationEndpointURI()).build();
  }

  private static AuthenticationResponse signIn(AuthorizationRequest request) throws Exception {
    System.out.println("authorize " + request.toURI());
    System.out.flush();
    return AuthenticationResponseParser.parse(URI.create(PERSON.readLine()));
  }

  /** An assertion for the issuer alone (RFC 7523bis section 4); null of a public client. */
  private ClientAuthentication proof() throws Exception {
    if (key == null) {
      return null;
    }
    JWTAuthenticationClaimsSet claims = new JWTAuthenticationClaimsSet(client.getID(), new Audience(ISSUER));
    return new PrivateKeyJWT(claims, alg, alg == JWSAlgorithm.ES256 ? key.toECKey().toPrivateKey() : key.toRSAKey().toPrivateKey(), key.getKeyID(), null);
  }

  private TokenRequest request(AuthorizationGrant grant) throws Exception {
    URI at = server.getTokenEndpointURI();
    return key == null ? new TokenRequest.Builder(at, client.getID(), grant).build() : new TokenRequest.Builder(at, proof(), grant).build();
  }

  private OIDCTokenResponse redeem(AuthorizationGrant grant) throws Exception {
    return (OIDCTokenResponse) OIDCTokenResponseParser.parse(request(grant).toHTTPRequest().send()).toSuccessResponse();
  }

  /** A refresh, a revocation, and that it was one. */
  private void goOn(RefreshToken first, boolean api) throws Exception {
    AccessTokenResponse next = TokenResponse.parse(request(new RefreshTokenGrant(first)).toHTTPRequest().send()).toSuccessResponse();
    RefreshToken second = next.getTokens().getRefreshToken();
    Object aud = SignedJWT.parse(next.getTokens().getAccessToken().getValue()).getJWTClaimsSet().getAudience().get(0);
    promise("a refresh brings the next token, for the same audience",
        !second.equals(first) && aud.equals(api ? ENV.get("RESOURCE") : ISSUER.getValue()));
    URI at = server.getRevocationEndpointURI();
    TokenRevocationRequest over = key == null ? new TokenRevocationRequest(at, client.getID(), second) : new TokenRevocationRequest(at, proof(), second);
    promise("a revocation is taken", over.toHTTPRequest().send().getStatusCode() == 200);
    TokenResponse refused = TokenResponse.parse(request(new RefreshTokenGrant(second)).toHTTPRequest().send());
    promise("what was revoked is over", !refused.indicatesSuccess() && refused.toErrorResponse().getErrorObject().getCode().equals("invalid_grant"));
  }
}
