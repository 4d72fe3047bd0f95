// Client is an agent for the terminal: it signs in to the notes as agents do, by the official Go SDK, and does what it reads.
//
//	go run -C examples/mcp ./client
//	list
//	add Buy milk
//
// It registers itself at the server that the notes name (RFC 7591), or is known by the document at -client-id.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	address := flags.String("url", "http://localhost:8092/mcp", "where the notes are")
	clientID := flags.String("client-id", "", "https address of a document that says who this is (default: registers itself)")
	early := flags.Duration("early", 10*time.Second, "how long before the end of an access token the next one is got")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	handler, err := signIn(l, out, *clientID, *early)
	if err != nil {
		return err
	}
	notes, err := mcp.NewClient(&mcp.Implementation{Name: "sojourn-terminal", Version: "1.0.0"}, nil).
		Connect(ctx, &mcp.StreamableClientTransport{Endpoint: *address, OAuthHandler: handler}, nil)
	if err != nil {
		return err
	}
	defer notes.Close()
	fmt.Fprintln(out, "connected")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		said, err := do(ctx, notes, lines.Text())
		if err != nil {
			said = "error: " + err.Error()
		}
		fmt.Fprintln(out, said)
	}
	return nil
}

// do does what a line says, by a tool.
func do(ctx context.Context, notes *mcp.ClientSession, line string) (string, error) {
	call := &mcp.CallToolParams{Name: "list_notes", Arguments: map[string]any{}}
	if text, ok := strings.CutPrefix(line, "add "); ok {
		call = &mcp.CallToolParams{Name: "add_note", Arguments: map[string]any{"text": text}}
	} else if line != "list" {
		return "", errors.New("say list, or add and a text")
	}
	result, err := notes.CallTool(ctx, call)
	if err == nil {
		err = result.GetError()
	}
	if err != nil {
		return "", err
	}
	said, err := json.Marshal(result.StructuredContent)
	return "done: " + string(said), err
}

// signIn has the person sign in by their browser, which comes back to the listener (RFC 8252 §7.3).
func signIn(l net.Listener, out io.Writer, clientID string, early time.Duration) (auth.OAuthHandler, error) {
	back := make(chan *auth.AuthorizationResult)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/callback" || !q.Has("state") {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, "You can close this page.")
		select {
		case back <- &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}:
		case <-r.Context().Done():
		}
	})}
	go func() { _ = server.Serve(l) }()
	redirect := "http://" + l.Addr().String() + "/callback"
	cfg := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: redirect, RequestRefreshToken: true,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			fmt.Fprintln(out, "open", args.URL)
			select {
			case answer := <-back:
				return answer, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		NewTokenSource: func(ctx context.Context, c *oauth2.Config, t *oauth2.Token) (oauth2.TokenSource, error) {
			return oauth2.ReuseTokenSourceWithExpiry(t, c.TokenSource(ctx, &oauth2.Token{RefreshToken: t.RefreshToken}), early), nil
		},
	}
	if clientID != "" {
		cfg.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: clientID}
	} else {
		cfg.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "Notes in the terminal", RedirectURIs: []string{redirect}, TokenEndpointAuthMethod: "none",
			GrantTypes: []string{"authorization_code", "refresh_token"},
		}}
	}
	return auth.NewAuthorizationCodeHandler(cfg)
}
