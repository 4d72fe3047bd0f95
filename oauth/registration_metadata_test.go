package oauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// Whatever is sent, the answer is metadata that can be registered, or a refusal that is the sender's to mend.
func FuzzReadRegistration(f *testing.F) {
	for _, body := range []string{
		`{"redirect_uris":["https://a.example/cb"],"client_id":"x","client_secret":"y"}`,
		`{"redirect_uris":["https://a.example/cb"],"jwks":{"keys":[{}]},"contacts":[null],"default_max_age":-1}`,
		`{"client_name":"\ud800","scope":"openid","grant_types":["client_credentials"],"x":[[[]]]}`,
		`{"redirect_uris":{},"REDIRECT_URIS":[],"software_statement":0,"client_name#de":"x"}`,
		`{"redirect_uris":["https://a.example/"],"jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"<",` +
			`"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","x5u":"https://a.example/"}]}}`,
		`[]`, `null`, `{`, "\xff", `{"":1}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, registerPath, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		asked, err := readRegistration(httptest.NewRecorder(), r)
		var once identity.Metadata
		if err == nil {
			once, _, err = takeRegistration(asked.Metadata, nil)
		}
		if err == nil {
			settled(t, once)
			return
		}
		v := surface(atRegister).judge(byMember(err))
		if v.status < 400 || v.status >= 500 || v.Code == "" || strings.TrimSpace(v.Description) == "" {
			t.Errorf("%q: answered %+v for %v", body, v, err)
		}
	})
}

// settled fails when cleaning what was cleaned changes it again, or its row would say something else.
func settled(t *testing.T, once identity.Metadata) {
	t.Helper()
	twice, _, err := takeRegistration(once, nil)
	if err != nil {
		t.Fatalf("what was accepted is refused the second time: %v", err)
	}
	stored, err := json.Marshal(once)
	if err != nil {
		t.Fatal(err)
	}
	var read identity.Metadata
	if err := json.Unmarshal(stored, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once, twice) + cmp.Diff(once, read); diff != "" {
		t.Fatal(diff)
	}
}
