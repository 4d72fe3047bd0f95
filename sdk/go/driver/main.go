// Driver lets the contract's player drive this SDK: commands come as lines of JSON on the standard input, answers and events
// go to the standard output (sdk/contract/README.md).
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/app"
	"github.com/sojourn-auth/sojourn/sdk/go/internal/vector"
)

type object = map[string]any

// command is a line that came.
type command struct {
	ID       int      `json:"id"`
	Do       string   `json:"do"`
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"client_id"`
	Redirect string   `json:"redirect_uri"`
	Scope    string   `json:"scope"`
	Store    string   `json:"store"`
	Lang     string   `json:"lang"`
	DPoP     *bool    `json:"dpop"`
	Allowed  []string `json:"resources"`
	Wall     float64  `json:"wall"`
	Pass     float64  `json:"pass"`
	Sleep    float64  `json:"sleep"`
	Prompt   string   `json:"prompt"`
	URL      string   `json:"url"`
	Method   string   `json:"method"`
	Body     string   `json:"body"`
	N        int      `json:"n"`
	Mode     string   `json:"mode"`
	At       string   `json:"at"`
	Nth      int      `json:"nth"`

	Kind  string          `json:"kind"`
	Input json.RawMessage `json:"input"`
}

// driver is the SDK and what stands around it.
type driver struct {
	app     *app.App
	clock   *clock
	storage *storage
	network *network
	ctx     context.Context // until it is closed
	close   func()
}

// out is shared by all that was ever opened.
var out sync.Mutex

func newDriver() *driver {
	d := &driver{}
	d.clock = newClock(d.tell)
	d.ctx, d.close = context.WithCancel(context.Background())
	return d
}

// replace ends the app as if its process had been killed, and makes room for another.
func (d *driver) replace() *driver {
	d.close()
	if d.app != nil {
		d.app.Close()
		d.network.cut()
	}
	return newDriver()
}

func main() {
	d := newDriver()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if c.Do == "close" {
			d = d.replace()
			d.answer(c)
			continue
		}
		if c.Do == "open" || c.Do == "clock" || c.Do == "store" || c.Do == "pause" || c.Do == "dns" {
			d.answer(c) // in their order
		} else {
			go d.answer(c)
		}
	}
}

func (d *driver) tell(what object) {
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // impossible: objects of text and numbers
	}
	if d.ctx.Err() != nil {
		return // it is closed: nobody shall hear of it
	}
	out.Lock()
	defer out.Unlock()
	_, _ = os.Stdout.Write(append(text, '\n'))
}

func (d *driver) answer(c command) {
	ok, err := d.do(d.ctx, c)
	if err == nil {
		d.tell(object{"id": c.ID, "ok": ok})
		return
	}
	d.tell(object{"id": c.ID, "error": wrong(err)})
}

// wrong spells an error.
func wrong(err error) object {
	if ended, ok := errors.AsType[*app.Ended](err); ok {
		return object{"kind": "ended", "reason": ended.Reason, "sentence": ended.Sentence, "message": err.Error()}
	}
	e, ok := errors.AsType[*app.Error](err)
	if !ok {
		return object{"kind": "other", "message": err.Error()}
	}
	said := object{"kind": e.Kind, "message": err.Error()}
	if e.Code != "" {
		said["code"] = e.Code
	}
	if e.Wait > 0 {
		said["retry_after"] = e.Wait.Seconds()
	}
	return said
}

func (d *driver) do(ctx context.Context, c command) (object, error) {
	switch c.Do {
	case "open":
		return d.open(c)
	case "begin":
		address, err := d.app.Begin(ctx, c.Prompt)
		return object{"url": address}, err
	case "redirect":
		who, err := d.app.Redirect(ctx, c.URL)
		return about(who), err
	case "close", "cancel":
		return object{}, nil // closing the browser tells the SDK nothing; for the other the loop has done it
	case "token":
		return d.token(ctx)
	case "refresh":
		if err := d.app.Refresh(ctx); err != nil {
			return nil, err
		}
		return d.token(ctx)
	case "burst":
		return d.burst(ctx, c.N), nil
	case "call":
		return d.call(ctx, c)
	case "identity":
		who, ok := d.app.Identity()
		if !ok {
			return object{}, nil
		}
		return about(who), nil
	case "signout":
		heard, err := d.app.SignOut(ctx)
		return object{"heard": heard}, err
	case "listen":
		d.app.Listen()
	case "unlisten":
		d.app.Unlisten()
	case "clock":
		d.clock.change(c)
	case "store":
		return object{}, d.storage.become(c.Mode)
	case "dns":
		d.network.noNames.Store(c.Mode == "fail")
		d.network.CloseIdleConnections() // they need no name any more
	case "pause":
		d.storage.pause(c.At, max(1, c.Nth))
	case "vectors":
		output, err := vector.Compute(c.Kind, c.Input)
		return object{"output": output}, err
	default:
		return nil, &app.Error{Kind: "unsupported"}
	}
	return object{}, nil
}

func (d *driver) open(c command) (object, error) {
	folder, err := app.NewFileFolder(c.Store)
	if err != nil {
		return nil, err
	}
	d.clock.jump(time.Duration(c.Wall * float64(time.Second)))
	d.network = newNetwork()
	d.storage = &storage{Folder: folder, dir: c.Store, tell: d.tell}
	d.app, err = app.Open(app.Config{
		Issuer: c.Issuer, ClientID: c.ClientID, RedirectURI: c.Redirect, Scopes: strings.Fields(c.Scope), Resources: c.Allowed,
		Language: c.Lang, Storage: d.storage, Clock: d.clock, HTTP: d.network, Notify: d.notify, NoDPoP: c.DPoP != nil && !*c.DPoP,
	})
	if err != nil {
		return nil, err
	}
	state, err := d.app.State()
	return object{"state": state}, err
}

func (d *driver) notify(e app.Event) {
	switch {
	case e.Ended != nil:
		d.tell(object{"event": "ended", "reason": e.Ended.Reason, "sentence": e.Ended.Sentence})
	case e.Changed:
		d.tell(object{"event": "changed"})
	case e.SignedOut:
		d.tell(object{"event": "signed_out", "heard": true})
	default:
		d.tell(object{"event": "heard", "name": e.Name, "data": json.RawMessage(e.Data)})
	}
}

func (d *driver) token(ctx context.Context) (object, error) {
	t, err := d.app.Token(ctx)
	if err != nil {
		return nil, err
	}
	return object{"access_token": t.AccessToken, "token_type": t.TokenType, "expires_in": t.ExpiresIn}, nil
}

func (d *driver) burst(ctx context.Context, n int) object {
	var mu sync.Mutex
	var tasks sync.WaitGroup
	tokens, kinds := map[string]bool{}, map[string]bool{}
	for range n {
		tasks.Go(func() {
			got, err := d.token(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				kinds[fmt.Sprint(wrong(err)["kind"])] = true
			} else {
				tokens[fmt.Sprint(got["access_token"])] = true
			}
		})
	}
	tasks.Wait()
	return object{"tokens": append([]string{}, slices.Sorted(maps.Keys(tokens))...), "errors": append([]string{}, slices.Sorted(maps.Keys(kinds))...)}
}

func (d *driver) call(ctx context.Context, c command) (object, error) {
	var body io.Reader
	if c.Body != "" {
		body = strings.NewReader(c.Body)
	}
	r, err := http.NewRequestWithContext(ctx, strings.ToUpper(c.Method), c.URL, body)
	if err != nil {
		return nil, err
	}
	response, err := d.app.Client().Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	return object{"status": response.StatusCode, "body": string(text), "type": response.Header.Get("Content-Type")}, err
}

func about(who app.Identity) object {
	said := object{"sub": who.Subject, "since": who.Since.Unix(), "sign_in_soon": who.SignInSoon}
	for name, text := range map[string]string{"name": who.Name, "email": who.Email} {
		if text != "" {
			said[name] = text
		}
	}
	if !who.Ends.IsZero() {
		said["session_ends_in"] = int(who.EndsIn.Seconds())
	}
	return said
}
