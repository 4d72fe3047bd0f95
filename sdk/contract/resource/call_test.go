package resource

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// call is a request to the API.
type call struct {
	Method        string      `json:"method"`
	Path          string      `json:"path"`
	Query         string      `json:"query"`
	Scheme        string      `json:"scheme"` // Bearer; DPoP where there is a proof
	Token         *forgery    `json:"token"`
	Same          string      `json:"same"` // a token that was kept
	Keep          string      `json:"keep"`
	None          bool        `json:"none"`          // no token at all
	Authorization []string    `json:"authorization"` // these headers; TOKEN is the token
	Proof         *forgery    `json:"proof"`
	SameProof     bool        `json:"same_proof"` // the one of before, again
	NoProof       bool        `json:"no_proof"`
	TwoProofs     bool        `json:"two_proofs"`
	Header        http.Header `json:"header"`
	Form          string      `json:"form"` // as body, application/x-www-form-urlencoded
}

// expectation is how the API shall answer.
type expectation struct {
	Status    int            `json:"status"`
	Among     []int          `json:"among"` // or one of these
	Error     string         `json:"error"`
	Says      string         `json:"says"`      // in error_description
	Challenge []string       `json:"challenge"` // all in WWW-Authenticate
	Body      map[string]any `json:"body"`
	Header    []string       `json:"header"` // headers that are there
}

// call sends a request and compares the answer.
func (s *stage) call(from step) {
	s.t.Helper()
	c, shall := call{Method: http.MethodGet, Path: "/notes"}, expectation{Status: http.StatusOK}
	again := false
	s.member(from, "call", &c)
	s.member(from, "expect", &shall)
	s.member(from, "eventually", &again)
	token := s.credential(c)
	s.tokens = append(s.tokens, token)
	if c.Keep != "" {
		s.kept[c.Keep] = token
	}
	if !again {
		if wrong := s.ask(c, token, shall); wrong != "" {
			s.t.Error(wrong)
		}
		return
	}
	s.eventually(func() string { return s.ask(c, token, shall) })
}

func (s *stage) credential(c call) string {
	s.t.Helper()
	switch {
	case c.Same != "":
		token, ok := s.kept[c.Same]
		if !ok {
			s.t.Fatalf("no token %s was kept", c.Same)
		}
		return token
	case c.Token != nil:
		return s.token(*c.Token)
	case s.authority == nil:
		return ""
	}
	return s.token(forgery{})
}

// ask sends it once, and says what is wrong.
func (s *stage) ask(c call, token string, shall expectation) string {
	s.t.Helper()
	address := s.api() + c.Path
	if c.Query != "" {
		address += "?" + strings.ReplaceAll(c.Query, "TOKEN", token)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), c.Method, address, strings.NewReader(strings.ReplaceAll(c.Form, "TOKEN", token)))
	if err != nil {
		s.t.Fatal(err)
	}
	if c.Form != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(request.Header, c.Header)
	s.authorize(request, c, token)
	response, err := http.DefaultClient.Do(request)
	if err != nil && len(shall.Among) > 0 {
		return "" // Node hangs up on a request that is too long, in the midst of it
	}
	if err != nil {
		return err.Error()
	}
	body := drain(response)
	if response.StatusCode != http.StatusNotFound { // of metadata, the token is no secret: there is none
		s.answers = append(s.answers, fmt.Sprint(response.Header)+body)
	}
	return shall.judge(response, body)
}

func (s *stage) authorize(request *http.Request, c call, token string) {
	s.t.Helper()
	bound := c.Proof != nil || c.SameProof || c.TwoProofs
	scheme := c.Scheme
	if scheme == "" {
		scheme = map[bool]string{true: "DPoP", false: "Bearer"}[bound || c.NoProof]
	}
	switch {
	case c.Authorization != nil:
		for _, one := range c.Authorization {
			request.Header.Add("Authorization", strings.ReplaceAll(one, "TOKEN", token))
		}
	case !c.None:
		request.Header.Set("Authorization", scheme+" "+token)
	}
	if !bound {
		return
	}
	f := forgery{}
	if c.Proof != nil {
		f = *c.Proof
	}
	if !c.SameProof {
		s.kept["the proof"] = s.proof(f, c, token)
	}
	request.Header.Set("DPoP", s.kept["the proof"])
	if c.TwoProofs {
		request.Header.Add("DPoP", s.proof(f, c, token))
	}
}

// judge says what is wrong with an answer; nothing, if it is as it shall be.
func (shall expectation) judge(response *http.Response, body string) string {
	status := response.StatusCode
	if status != shall.Status && !slices.Contains(shall.Among, status) {
		return fmt.Sprintf("%d, not %d: %s %v", status, shall.Status, body, response.Header.Values("WWW-Authenticate"))
	}
	if len(shall.Among) > 0 {
		return "" // whoever stands before the library may have answered
	}
	var said map[string]any
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		return fmt.Sprintf("the body is no JSON: %s", body)
	}
	word, _ := said["error"].(string)
	description, _ := said["error_description"].(string)
	challenges := strings.Join(response.Header.Values("WWW-Authenticate"), ", ")
	switch {
	case word != shall.Error:
		return fmt.Sprintf("error is %q, not %q: %s", word, shall.Error, body)
	case !strings.Contains(description, shall.Says):
		return fmt.Sprintf("it says %q, not %q", description, shall.Says)
	case status >= 400 && response.Header.Get("Cache-Control") != "no-store":
		return "the answer may be stored"
	case status == http.StatusServiceUnavailable && (response.Header.Get("Retry-After") == "" || challenges != ""):
		return "503 without Retry-After, or with a challenge"
	case (status == 401 || status == 403) && !strings.Contains(challenges, `resource_metadata="`):
		return "no metadata is named: " + challenges
	case (status == 401 || status == 403) && shall.Error != "" && !strings.Contains(challenges, `error="`+shall.Error+`"`):
		return "the challenge has not the error: " + challenges
	case shall.Error == "" && strings.Contains(challenges, "error="):
		return "the challenge has an error: " + challenges
	}
	for _, part := range shall.Challenge {
		if !strings.Contains(challenges, part) {
			return fmt.Sprintf("%s is not in %s", part, challenges)
		}
	}
	for _, name := range shall.Header {
		if response.Header.Get(name) == "" {
			return "there is no " + name
		}
	}
	return differs(map[string]any(said), shall.Body)
}
