package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// scopes are all that some message needs.
var scopes = []string{"notes.read", "notes.write"}

// What a message needs. Whoever may write may read as well: a client that is told what it lacks asks for all that is named, and
// some ask for nothing else.
var (
	reading = resource.Operation{Scopes: []string{"notes.read"}}
	writing = resource.Operation{Scopes: []string{"notes.read", "notes.write"}}
)

const metadataPath = "/.well-known/oauth-protected-resource"

// maxMessage bounds a message: the largest note, written with escapes, and what is around it.
const maxMessage = 64 << 10

// routes serves the notes at address, and beside them what an agent must know to get a token for them.
func routes(guard *resource.Guard, kept *notes, address string) http.Handler {
	path := "/"
	if u, err := url.Parse(address); err == nil && u.Path != "" {
		path = u.Path
	}
	// Without a session each message is judged for itself, and there is none that somebody else could go on with. (A client that
	// listens hears nothing, for as long as an answer may take.)
	messages := mcp.NewStreamableHTTPHandler(func(r *http.Request) *mcp.Server {
		return kept.server(resource.ClaimsOf(r.Context()))
	}, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, MaxRequestBodyBytes: maxMessage})
	mux := http.NewServeMux()
	mux.Handle(path, http.StripPrefix(path, guard.Require(reading, stepUp(guard, messages)))) // the guard's base URL has the path
	mux.Handle("GET "+metadataPath, guard.Metadata())
	if path != "/" {
		mux.Handle("GET "+metadataPath+path, guard.Metadata()) // RFC 9728 §3.1
	}
	return mux
}

// stepUp answers 403 to a message that needs more than the token gives, with all scopes that it needs: a client sends the person to
// agree to them, and then sends the message again. (That the tool judges too is no repetition: this reads the message before the
// SDK does, and two readers need not agree.)
func stepUp(guard *resource.Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			http.Error(w, "A message has at most 64 KiB.", http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			http.Error(w, "The message broke off.", http.StatusBadRequest)
			return
		}
		if _, refusal := guard.Check(r, needs(body)); refusal != nil {
			refusal.Write(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// needs tells what a message needs. What is no message is refused by the SDK, whatever the token gives.
func needs(body []byte) resource.Operation {
	message, err := jsonrpc.DecodeMessage(body)
	if err != nil {
		return reading
	}
	call, ok := message.(*jsonrpc.Request)
	if !ok || call.Method != "tools/call" {
		return reading
	}
	var tool struct{ Name string }
	if err := json.Unmarshal(call.Params, &tool); err == nil && tool.Name == addNote {
		return writing
	}
	return reading
}
