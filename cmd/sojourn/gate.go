package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/gate"
)

func (p *program) gate() *cobra.Command {
	var o gate.Options
	cmd := &cobra.Command{
		Use:   "gate --issuer URL --client-id ID --secret-file PATH",
		Short: "Answer nginx or Envoy whether an API's request may go on",
		Long: "Gate judges access tokens for a proxy in front of an API: nginx asks it by auth_request at /verify, Envoy by ext_authz\n" +
			"with /verify as path_prefix. It answers 200 with who calls (X-Auth-Subject, X-Auth-Session, X-Auth-Client, X-Auth-Scope), 401\n" +
			"or 403. It asks the server nothing per request: it follows the feed of endings, so a session that was ended is refused within\n" +
			"the second. Both configurations stand in examples/gate; the proxy must set those headers from the answer, never from a caller.\n\n" +
			"Its client is one that the operator added with a secret: sojourn client add --id gate --secret-stdin --grant-type client_credentials\n\n" +
			"While the feed is away for more than five seconds: introspect asks the server about each token, refuse answers 503, accept\n" +
			"goes by signature and expiry, and by the endings that are known. /readyz says 503 meanwhile; /healthz and /metrics are there too.",
		Example: "  sojourn gate --issuer https://id.example.com --client-id gate --secret-file /etc/sojourn/gate-secret \\\n" +
			"    --audience https://api.example.com --public-url https://api.example.com --scope notes.read",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.runGate(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8082", "where the proxy asks, HOST:PORT")
	f.StringVar(&o.Issuer, "issuer", "", "the server whose tokens are taken")
	f.StringVar(&o.ClientID, "client-id", "", "the gate's own client, which may introspect")
	f.StringVar(&o.SecretFile, "secret-file", "", "the file with that client's secret")
	f.StringVar(&o.Audience, "audience", "", "who tokens must be for, the resource that apps name (default: the issuer)")
	f.StringArrayVar(&o.Scopes, "scope", nil, "what every request needs; may be repeated")
	f.StringVar(&o.PublicURL, "public-url", "", "where callers find the API, such as https://api.example.com (default: http and the Host header)")
	f.StringVar(&o.Name, "name", "", "what the API is called, for its metadata")
	f.StringVar(&o.Stale, "stale", "introspect", "what to do while the feed of endings is away: introspect, refuse or accept")
	for _, flag := range []string{"issuer", "client-id", "secret-file"} {
		must(cmd.MarkFlagRequired(flag))
	}
	return cmd
}

// runGate lets it answer until the context ends.
func (p *program) runGate(ctx context.Context, o gate.Options) error {
	o.Log = slog.New(slog.NewTextHandler(p.err, nil))
	g, err := gate.Open(ctx, o)
	if err != nil {
		return fmt.Errorf("--%w", err) // it begins with the option's name
	}
	fmt.Fprintf(p.err, "sojourn: gate at %s, for tokens of %s\n", g.URL(), o.Issuer)
	<-ctx.Done()
	return g.Close()
}
