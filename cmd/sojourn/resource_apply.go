package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

// maxResourceFile bounds in bytes what `resource apply` reads.
const maxResourceFile = 1 << 20

func (p *program) resourceApply() *cobra.Command {
	return &cobra.Command{
		Use:   "apply FILE",
		Short: "Add or change the resource servers that a file describes",
		Long: "Apply makes the resources that a YAML or JSON file describes be as it says: it adds those that are not there and changes\n" +
			"those that are otherwise. What the file does not say of one is as by default; resources that it does not name stay as they\n" +
			"are. All of it is done, or nothing. The file is what `sojourn resource list --json` prints; - is the standard input.",
		Example: "  sojourn resource apply resources.yaml",
		Args:    one,
		RunE: func(cmd *cobra.Command, args []string) error {
			described, err := openResources(args[0], p.in)
			if err != nil {
				return err
			}
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error { return p.applyResources(ctx, o, described) })
		},
	}
}

// openResources reads the resources that a file describes.
func openResources(name string, standard io.Reader) (all []identity.Resource, err error) {
	in := standard
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxResourceFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(content) > maxResourceFile:
		return nil, fmt.Errorf("%s is larger than 1 MiB", name)
	}
	if all, err = readResources(content); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}

// readResources reads a description of resources, with the names of the admin API.
func readResources(content []byte) (all []identity.Resource, err error) {
	var file struct {
		Resources []map[string]any `yaml:"resources"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, errors.New("write resources: and below it a list, each with resource: URI and resource_name: NAME (YAML or JSON)")
	}
	named := map[string]bool{}
	for i, said := range file.Resources {
		r, err := readResource(said)
		if err != nil {
			return nil, fmt.Errorf("resource %d: %w", i+1, err)
		}
		if key := identity.ResourceKey(r.URI); named[key] {
			return nil, fmt.Errorf("resource %d: %s is described twice", i+1, r.URI)
		}
		named[identity.ResourceKey(r.URI)] = true
		all = append(all, r)
	}
	return all, nil
}

func readResource(said map[string]any) (r identity.Resource, err error) {
	uri, is := said["resource"].(string)
	if !is || uri == "" {
		return r, errors.New("say its URI: resource: https://api.example.com/mcp")
	}
	patch := map[string]json.RawMessage{}
	for name, value := range said {
		if name == "resource" || name == "created_at" { // as a listing says it
			continue
		}
		if patch[name], err = json.Marshal(value); err != nil {
			return r, fmt.Errorf("%s: %s: it cannot be read", uri, name)
		}
	}
	r = identity.Resource{URI: uri}
	if r.ResourceSettings, err = r.Patched(patch); err == nil {
		r, err = identity.CleanResource(r)
	}
	if refusal, ok := errors.AsType[*identity.Error](err); ok && refusal.Field != "" {
		return r, fmt.Errorf("%s: %s: %w", uri, refusal.Field, err)
	}
	return r, err
}

// applied is what became of a resource.
type applied struct {
	admin.Resource
	Added   bool     `json:"added"`
	Changed []string `json:"changed"`
}

func (p *program) applyResources(ctx context.Context, o opened, described []identity.Resource) error {
	var all []applied
	err := o.db.InTx(ctx, func(ctx context.Context) error {
		all = []applied{}
		for _, r := range described {
			done, err := applyResource(ctx, o, r)
			if err != nil {
				return fmt.Errorf("%s: %w", r.URI, err)
			}
			all = append(all, done)
		}
		return nil
	})
	if err != nil {
		return err
	}
	lines := []string{}
	for _, one := range all {
		lines = append(lines, one.sentence())
	}
	if len(lines) == 0 {
		lines = []string{"The file describes no resource."}
	}
	return p.print(struct {
		Resources []applied `json:"resources"`
	}{all}, strings.Join(lines, "\n"))
}

// applyResource looks before it writes: a refusal would take what was applied before it back too.
func applyResource(ctx context.Context, o opened, r identity.Resource) (applied, error) {
	_, err := o.db.ResourceByURI(ctx, r.URI)
	if identity.KindOf(err) == identity.NotFound {
		added, err := o.operators().AddResource(ctx, r)
		return applied{admin.NewResource(added), true, []string{}}, err
	}
	if err != nil {
		return applied{}, err
	}
	after, changed, err := o.operators().UpdateResource(ctx, r.URI, func(before identity.Resource) (identity.Resource, error) {
		before.ResourceSettings = r.ResourceSettings
		return before, nil
	})
	return applied{admin.NewResource(after), false, append([]string{}, changed...)}, err
}

func (a applied) sentence() string {
	switch {
	case a.Added:
		return fmt.Sprintf("Added the resource %s.", a.URI)
	case len(a.Changed) > 0:
		return fmt.Sprintf("Changed %s: %s.", a.URI, strings.Join(a.Changed, ", "))
	}
	return a.URI + " was so already."
}
