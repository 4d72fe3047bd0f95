// Sojourn is an OAuth 2.0 and OpenID Connect server that keeps people signed in to mobile apps, and ends that the moment
// it should end.
//
// Its one rule: a command is flags, then settings, then one call into the domain or the server, then what it says. No rule
// of the domain is here. Every command works on the configured database while the server runs.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv)) }

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run runs one command and returns the exit code: 0, or 1 after a clear line on s.err.
func run(args []string, s streams, getenv func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // whoever asks twice does not wait for requests under way
	p := &program{streams: s, getenv: getenv, flags: map[string]string{}}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(s.err, "sojourn: %v\n", err)
		return 1
	}
	return 0
}

// program is what all commands share.
type program struct {
	streams
	getenv func(string) string
	file   string            // --config
	json   bool              // --json
	as     string            // --as
	serves bool              // many wait for what the command does
	flags  map[string]string // settings that the command line said, by their YAML names
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sojourn",
		Short:         "An OAuth 2.0 and OpenID Connect server for mobile apps",
		Long:          long,
		Version:       versionText(),
		SilenceUsage:  true, // an error is one line
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&p.file, "config", "", "read settings from this YAML file")
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON")
	root.PersistentFlags().StringVar(&p.as, "as", "", "who does this, for its Events (default: who called sudo, or the user)")
	p.setting(root, "database", "sqlite:PATH or postgres://…")
	root.AddCommand(p.serve(), p.healthcheck(), p.demo(), p.migrate(), p.user(), p.client(), p.resource(), p.session(), p.delivery(), p.event(), p.cases(), p.stats(), p.webhook(), p.adminToken(),
		p.key(), p.registrationToken(), p.seed(), p.simulate(), p.loadTest(), p.weather(), p.gate())
	return root
}

const long = `Sojourn keeps people signed in to mobile apps, and ends that the moment it should end.

Settings come from flags, the environment (SOJOURN_ISSUER, SOJOURN_LISTEN, SOJOURN_DATABASE,
SOJOURN_SECRET …) and a YAML file with the same names in lower case, the first of them beating
the others. Without any, everything lives in ./sojourn-data and the issuer is
http://localhost:8080.`

// group is a command that only has others under it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: cobra.NoArgs, // an unknown one is an error, not a page of help
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// version is a release's, which make build writes in.
var version string

// versionText says which program this is: its version, the commit that it was built from, and Go's version.
func versionText() string {
	commit, name := "unknown", version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	if name == "" {
		name = cmp.Or(info.Main.Version, "(devel)")
	}
	return fmt.Sprintf("sojourn %s, commit %s, %s", name, commit, info.GoVersion)
}
