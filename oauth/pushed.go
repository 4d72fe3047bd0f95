package oauth

import (
	"net/http"
	"net/url"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// pushedFor is how long a pushed request may be used (RFC 9126 §2.2: between 5 and 600 seconds).
const pushedFor = 5 * time.Minute

// pushed is the answer to a request that was pushed (RFC 9126 §2.2).
type pushed struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"`
}

// push serves POST /oauth2/par (RFC 9126 §2). It checks what authorize will check and writes nothing: the request_uri is the
// request itself, sealed, and may be opened more than once, in a second tab say, each time for a code of its own.
func (e *Endpoints) push(w http.ResponseWriter, r *http.Request) {
	e.proofs.offer(w, r)
	answer, err := e.pushRequest(w, r)
	if err != nil {
		e.refuse(w, r, atToken, err)
		return
	}
	e.writeJSON(w, http.StatusCreated, answer)
}

func (e *Endpoints) pushRequest(w http.ResponseWriter, r *http.Request) (pushed, error) {
	form, err := readForm(w, r)
	if err != nil {
		return pushed{}, err
	}
	shown, err := e.proofs.check(w, r, "")
	if err != nil {
		return pushed{}, err
	}
	c, err := e.authenticate(r.Context(), r, form)
	if err != nil {
		return pushed{}, err
	}
	if form.Has(paramRequestURI) {
		return pushed{}, say(invalidRequest, "A pushed request has no request_uri.") // RFC 9126 §2.1
	}
	form.Set("client_id", c.ID) // HTTP Basic and an assertion say it elsewhere
	params, err := e.unfold(r.Context(), c, form)
	if err != nil {
		return pushed{}, err
	}
	if err := bindPushed(params, shown); err != nil {
		return pushed{}, err
	}
	a := newAuthorization(params, e.o.Now())
	a.asked.Params.Set(paramPushed, "1")
	if err := e.check(r, a, c); err != nil {
		return pushed{}, err
	}
	if err := e.proofs.spend(r.Context(), shown); err != nil {
		return pushed{}, err
	}
	text, err := e.o.Keys.PushedText(a.asked)
	return pushed{RequestURI: text, ExpiresIn: int(pushedFor / time.Second)}, err
}

// bindPushed binds the code to the key whose proof came with the push (RFC 9449 §10.1).
func bindPushed(params url.Values, shown proof) error {
	if shown.key == (identity.Thumbprint{}) {
		return nil
	}
	text := shown.key.String()
	if said := params.Get("dpop_jkt"); said != "" && said != text {
		return say(invalidProof, "dpop_jkt is of another key than the proof.")
	}
	params.Set("dpop_jkt", text)
	return nil
}

// check finds the way back of a pushed request, and judges the rest of it.
func (e *Endpoints) check(r *http.Request, a *authorization, c identity.Client) error {
	if err := e.returns(r.Context(), a, c); err != nil {
		return err
	}
	return e.examine(r.Context(), a)
}

// pulled returns the parameters of a request that client c pushed.
func (e *Endpoints) pulled(c identity.Client, uri string) (url.Values, error) {
	asked, err := e.o.Keys.ReadPushed(uri)
	if err != nil || asked.Get("client_id") != c.ID {
		return nil, say(invalidRequestURI, "This request_uri was not given to the client here.")
	}
	if e.o.Now().Sub(asked.At) >= pushedFor {
		return nil, say(invalidRequestURI, "This request_uri is too old. Push the request again.")
	}
	return asked.Params, nil
}
