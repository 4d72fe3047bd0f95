package server

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/oauth2"

	"github.com/sojourn-auth/sojourn/storage"
)

const hookSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

// hookSite is a program of the operator's that believes what the published library believes.
func hookSite(t *testing.T, answer http.HandlerFunc) (address string, asked *atomic.Int64) {
	t.Helper()
	key, err := webhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int64)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err := key.Verify(body, r.Header); err != nil {
			t.Errorf("a question that is not signed well: %v", err)
		}
		var q question
		if err != nil || json.Unmarshal(body, &q) != nil || q.Type != "claims.asked" || q.Data.User.Sub == "" || q.Data.ClientID == "" {
			t.Errorf("it was asked %s (%v)", body, err)
		}
		answer(w, r)
	}))
	t.Cleanup(site.Close)
	return site.URL + "/ask", asked
}

// asking are the settings that have a program asked for two claims.
func askingHook(address string, more ...string) []string {
	return append([]string{
		"claims_hook", address, "claims_hook_secret", hookSecret, "claims_hook_timeout", "5s",
		"claims", "tenant=hook.tenant;openid;access_token+id_token+userinfo,roles=hook.roles;openid;access_token",
	}, more...)
}

// A foreign client sees what the operator's program says, where the settings have it said.
func TestClaimsHook_aForeignClientSeesWhatItSays(t *testing.T) {
	t.Parallel()
	inWorldsOfHook(t, func(t *testing.T, w *world) {
		rp := w.app(t, trusted).relyingParty(t, oauth2.AuthStyleInParams)
		p := w.person(t)
		pkce := oauth2.GenerateVerifier()
		v := newVisitor(t)
		answer := v.carryOn(t, v.open(t, rp.AuthCodeURL("st&te", oauth2.S256ChallengeOption(pkce))), rp.app, p)
		token, err := rp.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(pkce))
		if err != nil {
			t.Fatal(err)
		}
		if token, err = rp.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err != nil {
			t.Fatal(err)
		}
		about, err := rp.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
		var said struct{ Tenant, Roles, Sub string }
		if err != nil || about.Claims(&said) != nil || said.Tenant != "acme" || said.Roles != "" || said.Sub != p.user.Sub {
			t.Errorf("userinfo says %+v (%v)", said, err)
		}
		access := claimsOf(t, token.AccessToken)
		if access["tenant"] != "acme" || !has(access["roles"], "clerk") || access["sub"] != p.user.Sub || access["other"] != nil || access["scope"] == "all" {
			t.Errorf("the access token says %v", access)
		}
	}, `{"claims":{"tenant":"acme","roles":["clerk"],"sub":"mallory","scope":"all","other":1}}`)
}

func inWorldsOfHook(t *testing.T, f func(*testing.T, *world), says string) {
	t.Helper()
	address, _ := hookSite(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, says) })
	inWorlds(t, f, askingHook(address)...)
}

// Whatever is wrong with the program, an app is told to try again, and nothing was used up: the code is still good afterwards.
func TestClaimsHook_programsThatAreWrong(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		said   string
	}{
		"slow": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "did not answer in time"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"claims":`)
		}, "cut off"},
		"failing": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "it answered 500"},
		"redirecting": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "it answered 307"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "is not a JSON object"},
		"a list":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }, "is not a JSON object"},
		"null":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "null") }, "is not a JSON object"},
		"10 MB": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"claims":{"tenant":%q}}`, strings.Repeat("a", 10<<20))
		}, "more than 16384 bytes"},
		"10 MB in 10 KB": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			bomb := gzip.NewWriter(w)
			fmt.Fprintf(bomb, `{"claims":{"tenant":%q}}`, strings.Repeat("a", 10<<20))
			_ = bomb.Close()
		}, "more than 16384 bytes"},
		"5 KB of claims": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"claims":{"tenant":%q}}`, strings.Repeat("a", 5<<10))
		}, "its claims have more than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mended atomic.Bool
			address, _ := hookSite(t, func(w http.ResponseWriter, r *http.Request) {
				if mended.Load() {
					fmt.Fprint(w, `{"claims":{"tenant":"acme"}}`)
					return
				}
				c.answer(w, r)
			})
			timeout := map[bool]string{true: "100ms", false: "5s"}[name == "slow"]
			w := newWorld(t, storage.SQLite, askingHook(address, "claims_hook_timeout", timeout)...)
			w.journal.expectFaults()
			a := w.app(t, trusted)
			code := newVisitor(t).signIn(t, a, w.person(t)).Get("code")
			got := a.spend(t, code)
			if got.status != 503 || !strings.Contains(got.body, `"action":"retry"`) || got.header.Get("Retry-After") == "" {
				t.Errorf("answered %d %s", got.status, got.body)
			}
			w.journal.mu.Lock()
			log := w.journal.lines.String()
			w.journal.mu.Unlock()
			if !strings.Contains(log, c.said) || strings.Contains(log, address) {
				t.Errorf("the log does not say %q, or where", c.said)
			}
			mended.Store(true)
			w.pass(6 * time.Second)
			if got := a.tokens(t, a.spend(t, code)); claimsOf(t, got.IDToken)["tenant"] != "acme" {
				t.Error("once mended it says nothing")
			}
		})
	}
}

// Nobody listens where the settings say: a connection that is refused is no reason to sign anybody out, and it is counted.
func TestClaimsHook_aProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	l := listen(t)
	address := "http://" + l.Addr().String() + "/ask"
	_ = l.Close()
	w := newWorld(t, storage.SQLite, askingHook(address, "claims_hook_failure", "open")...)
	w.journal.expectFaults()
	a := w.app(t, trusted)
	got := a.redeem(t, newVisitor(t).signIn(t, a, w.person(t)))
	if claimsOf(t, got.IDToken)["tenant"] != nil {
		t.Error("it says what nobody said")
	}
	_, body := fetch(t, w.admin+"/metrics")
	if !strings.Contains(body, `sojourn_claims_hook_total{outcome="without"} 1`) || !strings.Contains(body, `sojourn_claims_hook_total{outcome="unavailable"} 0`) {
		t.Error("it is not counted")
	}
}

// The program of docs/claims.md is one that works, and refuses whoever cannot sign.
func TestDocs_theClaimsProgramWorks(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("the programs of the documents are for node:", err)
	}
	text, err := os.ReadFile(filepath.Join("..", "docs", "claims.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```js\n")
	source, _, found := strings.Cut(rest, "```")
	if !found || strings.Count(source, "\n") > 16 {
		t.Fatalf("no short program in docs/claims.md: %q", source)
	}
	cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "-e", source)
	cmd.Env = append(os.Environ(), "SECRET="+hookSecret, "PORT=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := "http://127.0.0.1:" + strings.TrimSpace(line) + "/"
	w := newWorld(t, storage.SQLite, askingHook(address)...)
	a := w.app(t, trusted)
	got := a.redeem(t, newVisitor(t).signIn(t, a, w.person(t)))
	if claimsOf(t, got.AccessToken)["tenant"] != "acme" {
		t.Errorf("the access token says %v", claimsOf(t, got.AccessToken))
	}
	if forged := w.post(t, address, "application/json", `{"data":{"user":{"email":"ada@example.com"}}}`); forged.status != 401 {
		t.Errorf("whoever cannot sign is answered %d", forged.status)
	}
}

func FuzzReadHookAnswer(f *testing.F) {
	f.Add([]byte(`{"claims":{"tenant":"acme","roles":[1,null]},"refuse":null}`))
	f.Add([]byte(`{"refuse":"no\u202e"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		answer, err := readHookAnswer(body, []string{"tenant", "roles"})
		if err != nil {
			return
		}
		if len(answer.Refusal) > maxHookSentence || strings.ContainsAny(answer.Refusal, "\n\r\x00") {
			t.Fatalf("people are told %q", answer.Refusal)
		}
		for name, value := range answer.Claims {
			if name != "tenant" && name != "roles" || !json.Valid(value) || len(value) > maxHookClaims {
				t.Fatalf("%s says %s", name, value)
			}
		}
	})
}
