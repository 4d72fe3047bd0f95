package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) resource() *cobra.Command {
	return group("resource", "Add, change, see and delete what access tokens can be for: APIs and MCP servers", p.resourceAdd(),
		p.resourceUpdate(), p.resourceApply(), p.resourceList(), p.resourceShow(), p.resourceDelete())
}

// newResource is what `resource add` and `resource update` were told.
type newResource struct {
	name       string
	nameIn     []string
	scopes     []string
	scopesIn   []string
	open       bool
	lifetime   time.Duration
	requireMFA bool
	tokenType  string
}

func (n *newResource) flags(f *pflag.FlagSet) {
	f.StringVar(&n.name, "name", "", "what people see on the consent page")
	f.StringArrayVar(&n.nameIn, "name-in", nil, "its name in another language, like \"de=Deine Notizen\"; may be repeated")
	f.StringArrayVar(&n.scopes, "scope", nil, "a scope and what it lets an app do, in words, like \"notes.read=Read your notes\"; may be repeated")
	f.StringArrayVar(&n.scopesIn, "scope-in", nil, "the words in another language, like \"de:notes.read=Deine Notizen lesen\"; may be repeated")
	f.BoolVar(&n.open, "open", false, "any app may ask people for it, also one that registered itself; else only those whose --resource lists it")
	f.DurationVar(&n.lifetime, "lifetime", 0, "how long access tokens for it last, up to 1h (default: SOJOURN_ACCESS_TTL)")
	f.BoolVar(&n.requireMFA, "require-mfa", false, "people need a second factor for it, unless SOJOURN_MFA is off")
	f.StringVar(&n.tokenType, "token-type", "", "typ of its access tokens: at+jwt, or JWT if it refuses that (default: at+jwt)")
}

// resourceFlags say which flag each setting of a resource has.
var resourceFlags = map[string]string{
	"resource_name": "name", "resource_name_in": "name-in", "scopes": "scope", "open": "open",
	"access_token_seconds": "lifetime", "require_mfa": "require-mfa", "token_type": "token-type",
}

// settings are what the flags said.
func (n newResource) settings() (s identity.ResourceSettings, err error) {
	if n.lifetime%time.Second != 0 {
		return s, errors.New("--lifetime: use whole seconds")
	}
	s = identity.ResourceSettings{
		Name: n.name, Open: n.open, AccessTTL: int64(n.lifetime / time.Second), RequireMFA: n.requireMFA, TokenType: n.tokenType,
	}
	for _, text := range n.nameIn {
		tag, name, ok := strings.Cut(text, "=")
		if !ok {
			return s, fmt.Errorf("--name-in: %q: write language=name, like de=Deine Notizen", text)
		}
		put(&s.NameIn, tag, name)
	}
	for _, text := range n.scopes {
		name, words, ok := strings.Cut(text, "=")
		if !ok && text != "" {
			return s, fmt.Errorf("--scope: %q: write name=words, like \"notes.read=Read your notes\"", text)
		}
		if text != "" {
			s.Scopes = append(s.Scopes, identity.ResourceScope{Name: name, Words: words})
		}
	}
	return s, n.translate(s.Scopes)
}

// translate adds the words in other languages.
func (n newResource) translate(scopes []identity.ResourceScope) error {
	for _, text := range n.scopesIn {
		tag, rest, _ := strings.Cut(text, ":")
		name, words, ok := strings.Cut(rest, "=")
		if !ok {
			return fmt.Errorf("--scope-in: %q: write language:name=words, like \"de:notes.read=Deine Notizen lesen\"", text)
		}
		i := slices.IndexFunc(scopes, func(s identity.ResourceScope) bool { return s.Name == name })
		if i < 0 {
			return fmt.Errorf("--scope-in: there is no --scope %s", name)
		}
		put(&scopes[i].WordsIn, tag, words)
	}
	return nil
}

func put(in *map[string]string, key, value string) {
	if *in == nil {
		*in = map[string]string{}
	}
	(*in)[key] = value
}

// resourceError names the flag that what was refused came from.
func resourceError(err error) error {
	refusal, ok := errors.AsType[*identity.Error](err)
	if ok && resourceFlags[refusal.Field] != "" {
		return fmt.Errorf("--%s: %w", resourceFlags[refusal.Field], err)
	}
	return err
}

func (p *program) resourceAdd() *cobra.Command {
	var n newResource
	cmd := &cobra.Command{
		Use:   "add URI --name NAME [--scope NAME=WORDS]... [--open]",
		Short: "Add a resource server",
		Long: "Add says what an API or an MCP server is: its URI, which apps send as resource and which its tokens say as aud; its\n" +
			"name and what apps may do there, in the words that people read on the consent page. Apps that list it\n" +
			"(sojourn client add --resource) may ask for it, or any app with --open.",
		Example: "  sojourn resource add https://api.example.com/mcp --name 'Your notes' \\\n" +
			"    --scope 'notes.read=Read your notes' --scope 'notes.write=Change your notes' --open",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error { return p.addResource(ctx, o, args[0], n) })
		},
	}
	n.flags(cmd.Flags())
	must(cmd.MarkFlagRequired("name"))
	return cmd
}

func (p *program) addResource(ctx context.Context, o opened, uri string, n newResource) error {
	s, err := n.settings()
	if err != nil {
		return err
	}
	r, err := o.operators().AddResource(ctx, identity.Resource{URI: uri, ResourceSettings: s})
	if err != nil {
		return resourceError(err)
	}
	return p.print(admin.NewResource(r), fmt.Sprintf("Added the resource %s.", r.URI))
}

func (p *program) resourceUpdate() *cobra.Command {
	var n newResource
	cmd := &cobra.Command{
		Use:   "update URI",
		Short: "Change a resource server; what no flag names stays",
		Long: "Update changes what its flags name, and nothing else; --scope and --name-in take the place of all before, '' empties them.\n" +
			"Sessions go on: their next access token is as the resource is then, without scopes that it offers no more. Apps are\n" +
			"allowed anew by their people for what is described in other words than before.",
		Example: "  sojourn resource update https://api.example.com/mcp --lifetime 5m --require-mfa",
		Args:    one,
	}
	n.flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
			return p.updateResource(ctx, o, args[0], resourcePatch{n, cmd.Flags()})
		})
	}
	return cmd
}

// resourcePatch is what `resource update` was told.
type resourcePatch struct {
	newResource
	given *pflag.FlagSet
}

// on returns settings with what the flags said on top.
func (n resourcePatch) on(before identity.ResourceSettings) (identity.ResourceSettings, error) {
	if len(n.nameIn) == 1 && n.nameIn[0] == "" {
		n.nameIn = nil
	}
	s, err := n.settings()
	if n.given.Changed("scope-in") && !n.given.Changed("scope") { // words for the scopes that there are
		s, err = identity.ResourceSettings{Scopes: slices.Clone(before.Scopes)}, n.translate(before.Scopes)
	}
	if err != nil {
		return before, err
	}
	members := map[string]json.RawMessage{}
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		return before, err
	}
	patch := map[string]json.RawMessage{}
	for member, flag := range resourceFlags {
		if !n.given.Changed(flag) && !(flag == "scope" && n.given.Changed("scope-in")) {
			continue
		}
		if patch[member] = members[member]; len(members[member]) == 0 {
			patch[member] = json.RawMessage("null")
		}
	}
	if len(patch) == 0 {
		return before, errors.New("say what to change: sojourn resource update --help lists the flags")
	}
	return before.Patched(patch)
}

func (p *program) updateResource(ctx context.Context, o opened, uri string, n resourcePatch) error {
	after, changed, err := o.operators().UpdateResource(ctx, uri, func(r identity.Resource) (_ identity.Resource, err error) {
		r.ResourceSettings, err = n.on(r.ResourceSettings)
		return r, err
	})
	if err != nil {
		return noResource(uri, resourceError(err))
	}
	sentence := fmt.Sprintf("Changed %s: %s.", after.URI, strings.Join(changed, ", "))
	if len(changed) == 0 {
		sentence = after.URI + " was so already."
	}
	return p.print(struct {
		Changed []string `json:"changed"`
		admin.Resource
	}{append([]string{}, changed...), admin.NewResource(after)}, sentence)
}

// noResource says in one line that a resource is not there.
func noResource(uri string, err error) error {
	if identity.KindOf(err) == identity.NotFound {
		return fmt.Errorf("there is no resource %q; sojourn resource list shows them", uri)
	}
	return err
}

func (p *program) resourceList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the resource servers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				all, err := o.db.Resources(ctx)
				if err != nil {
					return err
				}
				l := listing[identity.Resource, admin.Resource]{all.There(), len(all), admin.NewResource, resourceLine, "There are no resources yet."}
				list, text, _ := l.cut()
				return p.print(struct {
					Resources []admin.Resource `json:"resources"`
				}{list}, text)
			})
		},
	}
}

func resourceLine(r identity.Resource) string {
	open := "for apps that list it"
	if r.Open {
		open = "open"
	}
	return strings.Join([]string{r.URI, quoted(r.Name), open, fmt.Sprintf("%d scopes", len(r.Scopes))}, "  ")
}

func (p *program) resourceShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show URI",
		Short: "Show a resource server as it is described",
		Args:  one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				r, err := o.db.ResourceByURI(ctx, args[0])
				if err != nil {
					return noResource(args[0], err)
				}
				return p.print(admin.NewResource(r), resourceText(r))
			})
		},
	}
}

func resourceText(r identity.Resource) string {
	facts := [][2]string{{"resource", r.URI}, {"name", quoted(r.Name)}, {"added", moment(r.CreatedAt)}, {"token type", r.TokenType}}
	if r.AccessTTL != 0 {
		facts = append(facts, [2]string{"lifetime", r.Lifetime(0).String()})
	}
	for _, fact := range []struct {
		there bool
		words [2]string
	}{{r.Open, [2]string{"open", "any app may ask people for it"}}, {r.RequireMFA, [2]string{"needs", "a second factor"}}} {
		if fact.there {
			facts = append(facts, fact.words)
		}
	}
	for _, s := range r.Scopes {
		facts = append(facts, [2]string{"scope", s.Name + "  " + quoted(s.Words)})
	}
	return details(facts)
}

func (p *program) resourceDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete URI",
		Short: "Delete a resource server: nobody gets tokens for it any more",
		Long: "Delete keeps everyone from getting tokens for a resource, apps that list it too. What people allowed there is void for\n" +
			"good, also when it is added anew; apps that had nothing else have their people sign in again.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				if err := o.operators().DeleteResource(ctx, args[0]); err != nil {
					return noResource(args[0], err)
				}
				return p.print(struct {
					URI     string `json:"resource"`
					Deleted bool   `json:"deleted"`
				}{args[0], true}, fmt.Sprintf("Deleted the resource %s.", args[0]))
			})
		},
	}
}
