package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
)

func (p *program) key() *cobra.Command {
	return group("key", "See, rotate and remove the keys that sign tokens; seal anew what rests", p.keyList(), p.keyRotate(), p.keyRemove(), p.keyReseal())
}

func (p *program) keyList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				return p.printKeys(ctx, o.signingKeys())
			})
		},
	}
}

func (p *program) keyRotate() *cobra.Command {
	var alg string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make the next keys the current ones, and new next ones",
		Long: "Rotate makes the next key of every algorithm the current one. It was published long before, so apps know it.\n" +
			"Tokens of the key that retires verify until they expire. Running servers notice within a second.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				keys := o.signingKeys()
				before, err := keys.All(ctx)
				if err != nil {
					return err
				}
				if err := keys.Rotate(ctx, alg); err != nil {
					return err
				}
				p.warnOfYoung(before, alg, o.db.Now())
				return p.printKeys(ctx, keys)
			})
		},
	}
	cmd.Flags().StringVar(&alg, "alg", "", "only this algorithm: "+strings.Join(identity.SigningAlgs, ", "))
	return cmd
}

// keysAreCached is for how long APIs may go on with a key set that they once read.
const keysAreCached = time.Hour

// warnOfYoung says which keys sign from now on that APIs may not have read yet.
func (p *program) warnOfYoung(before []identity.SigningKey, alg string, now time.Time) {
	for _, k := range before {
		young := k.State == identity.KeyNext && now.Sub(k.CreatedAt) < keysAreCached
		if young && (alg == "" || alg == k.Alg) {
			fmt.Fprintf(p.err, "sojourn: the key of %s that signs now was published %s ago: APIs that read the key set before "+
				"may refuse its tokens; leave an hour between rotations\n", k.Alg, now.Sub(k.CreatedAt).Round(time.Second))
		}
	}
}

func (p *program) keyRemove() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "remove KID --reason WHY",
		Short: "Remove a key that leaked: what it signed is refused",
		Long: "Remove is for a key whose private half somebody may have. Within a second it has left the key set of every running\n" +
			"server, and what it signed is refused there: access tokens, ID tokens as hints. Apps need do nothing: their access\n" +
			"tokens are refused, so they refresh. Where the key signed, the next one takes its place in the same act; APIs know\n" +
			"that one, since it was published all along. An API that checks tokens by itself believes the key until it reads the\n" +
			"key set again: restart those that keep it for long.",
		Example: "  sojourn key remove 3q2-7wRZ1bA0x9Yd --reason 'backup was on a stolen laptop, ticket 4711'",
		Args:    one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				keys := o.signingKeys()
				if err := keys.Remove(ctx, args[0], reason); err != nil {
					return err
				}
				return p.printKeys(ctx, keys)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the Event that tells of it")
	must(cmd.MarkFlagRequired("reason"))
	return cmd
}

func (p *program) keyReseal() *cobra.Command {
	return &cobra.Command{
		Use:   "reseal",
		Short: "Seal everything at rest under the first root secret, so that an older one may leave",
		Long: "Reseal is for after SOJOURN_SECRET got a new first secret: what older ones sealed in the database is sealed under\n" +
			"the first, beside running servers. It may be broken off and run again. What it lists as remaining needs an older\n" +
			"secret: keep that in SOJOURN_SECRET until a run says that nothing remains.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				all, err := o.operators().Reseal(ctx)
				if err != nil {
					return err
				}
				left, lines := 0, make([]string, len(all))
				for i, r := range all {
					left += r.Left
					lines[i] = fmt.Sprintf("%-32s %6d sealed anew  %6d remain under others", r.What, r.Anew, r.Left)
				}
				verdict := "Nothing that rests needs an older root secret. What is under way does for a while: docs/operations.md tells how long."
				if left > 0 {
					verdict = fmt.Sprintf("Keep the older root secrets: %d remain that need them.", left)
				}
				return p.print(struct {
					Resealed []identity.Resealed `json:"resealed"`
					Left     int                 `json:"under_others"`
				}{all, left}, strings.Join(append(lines, verdict), "\n"))
			})
		},
	}
}

func (o opened) signingKeys() identity.SigningKeys {
	return server.SigningKeys(o.db, o.cfg)
}

func (p *program) printKeys(ctx context.Context, keys identity.SigningKeys) error {
	all, err := keys.All(ctx)
	if err != nil {
		return err
	}
	lines := make([]string, len(all))
	for i, k := range all {
		lines[i] = fmt.Sprintf("%-6s %-8s %s  made %s", k.Alg, k.State, k.ID, k.CreatedAt.Format(time.DateTime))
	}
	if len(all) == 0 {
		lines = []string{"There are no keys yet: the server makes them when it first starts."}
	}
	return p.print(admin.NewKeyList(all), strings.Join(lines, "\n"))
}
