// SPDX-License-Identifier: Apache-2.0

// Command reference answers what `docker compose config` answers, on compose-go alone: the same
// order of steps, the same flags, no Docker. tests/compose/run compares `ishizue config` with it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/utils"
	"github.com/sirupsen/logrus"
)

type texts []string

func (t *texts) String() string     { return strings.Join(*t, ",") }
func (t *texts) Set(s string) error { *t = append(*t, s); return nil }

type options struct {
	files, profiles, envFiles                         texts
	name, directory, format                           string
	services, images, volumes, networks, listProfiles bool
	models, variables, environment, quiet             bool
	noInterpolate, noNormalize, noPaths               bool
	noConsistency, noEnv                              bool
	selected                                          []string
}

func parse(arguments []string) (*options, error) {
	o := &options{}
	set := flag.NewFlagSet("reference", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, name := range []string{"f", "file"} {
		set.Var(&o.files, name, "")
	}
	set.Var(&o.profiles, "profile", "")
	set.Var(&o.envFiles, "env-file", "")
	set.StringVar(&o.name, "p", "", "")
	set.StringVar(&o.name, "project-name", "", "")
	set.StringVar(&o.directory, "project-directory", "", "")
	set.StringVar(&o.format, "format", "json", "")
	for name, to := range map[string]*bool{
		"services": &o.services, "images": &o.images, "volumes": &o.volumes,
		"networks": &o.networks, "profiles": &o.listProfiles, "models": &o.models,
		"variables": &o.variables, "environment": &o.environment, "quiet": &o.quiet, "q": &o.quiet,
		"no-interpolate": &o.noInterpolate, "no-normalize": &o.noNormalize,
		"no-path-resolution": &o.noPaths, "no-consistency": &o.noConsistency,
		"no-env-resolution": &o.noEnv,
	} {
		set.BoolVar(to, name, false, "")
	}
	if err := set.Parse(arguments); err != nil {
		return nil, err
	}
	o.selected = set.Args()
	if len(o.envFiles) == 0 {
		o.envFiles = strings.FieldsFunc(os.Getenv("COMPOSE_ENV_FILES"),
			func(c rune) bool { return c == ',' })
	}
	return o, nil
}

// Docker Compose lets the COMPOSE_ variables of the first `.env` count as if they were the caller's.
func adoptComposeVariables(o *options) {
	found, err := cli.NewProjectOptions(o.files, cli.WithWorkingDirectory(o.directory),
		cli.WithOsEnv, cli.WithEnvFiles(o.envFiles...), cli.WithDotEnv)
	if err != nil {
		return
	}
	fromFile, err := dotenv.GetEnvFromFile(utils.GetAsEqualsMap(os.Environ()), found.EnvFiles)
	if err != nil {
		return
	}
	for name, value := range fromFile {
		if _, there := os.LookupEnv(name); !there && strings.HasPrefix(name, "COMPOSE_") {
			_ = os.Setenv(name, value)
		}
	}
}

func (o *options) projectOptions(more ...cli.ProjectOptionsFn) (*cli.ProjectOptions, error) {
	all := append(more,
		cli.WithInterpolation(!o.noInterpolate && !o.variables),
		cli.WithResolvedPaths(!o.noPaths),
		cli.WithNormalization(!o.noNormalize),
		cli.WithConsistency(!o.noConsistency),
		cli.WithDefaultProfiles(o.profiles...),
		cli.WithDiscardEnvFile,
		cli.WithWorkingDirectory(o.directory),
		cli.WithOsEnv,
		cli.WithEnvFiles(o.envFiles...),
		cli.WithDotEnv,
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
		cli.WithEnvFiles(o.envFiles...),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(o.profiles...),
		cli.WithName(o.name),
	)
	return cli.NewProjectOptions(o.files, all...)
}

func (o *options) project(more ...cli.ProjectOptionsFn) (*types.Project, error) {
	options, err := o.projectOptions(more...)
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	if project.Name == "" {
		return nil, fmt.Errorf("project name can't be empty")
	}
	if project, err = project.WithServicesEnabled(o.selected...); err != nil {
		return nil, err
	}
	if project, err = project.WithSelectedServices(o.selected); err != nil {
		return nil, err
	}
	return project.WithoutUnnecessaryResources(), nil
}

func (o *options) model(more ...cli.ProjectOptionsFn) (map[string]any, error) {
	options, err := o.projectOptions(more...)
	if err != nil {
		return nil, err
	}
	return options.LoadModel(context.Background())
}

func (o *options) config() ([]byte, error) {
	var content []byte
	if o.noInterpolate {
		model, err := o.model()
		if err != nil {
			return nil, err
		}
		return json.MarshalIndent(model, "", "  ")
	}
	project, err := o.project()
	if err != nil {
		return nil, err
	}
	if !o.noEnv {
		if project, err = project.WithServicesEnvironmentResolved(true); err != nil {
			return nil, err
		}
	}
	if !o.noConsistency {
		if err = project.CheckContainerNameUnicity(); err != nil {
			return nil, err
		}
	}
	if o.format == "yaml" {
		content, err = project.MarshalYAML()
	} else {
		content, err = project.MarshalJSON()
	}
	return bytes.ReplaceAll(content, []byte("$"), []byte("$$")), err
}

func (o *options) listVariables() ([]string, error) {
	model, err := o.model(cli.WithoutEnvironmentResolution)
	if err != nil {
		return nil, err
	}
	lines := []string{"NAME REQUIRED DEFAULT VALUE ALTERNATE VALUE"}
	for name, v := range template.ExtractVariables(model, template.DefaultPattern) {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("%s %t %s %s", name, v.Required,
			v.DefaultValue, v.PresenceValue)), " "))
	}
	return lines, nil
}

// One line each, in any order.
func (o *options) list() ([]string, error) {
	if o.variables {
		return o.listVariables()
	}
	selected := o.selected
	if !o.listProfiles && !o.images && !o.environment {
		o.selected = nil
	}
	project, err := o.project(cli.WithoutEnvironmentResolution)
	o.selected = selected
	if err != nil {
		return nil, err
	}
	var lines []string
	switch {
	case o.services:
		lines = project.ServiceNames()
	case o.volumes:
		lines = project.VolumeNames()
	case o.networks:
		lines = project.NetworkNames()
	case o.environment:
		lines = project.Environment.Values()
	}
	if o.models {
		for _, model := range project.Models {
			lines = append(lines, model.Model)
		}
	}
	if o.images {
		for name, service := range project.Services {
			image := service.Image
			if image == "" {
				image = project.Name + "-" + name
			}
			lines = append(lines, image)
		}
	}
	if o.listProfiles {
		seen := map[string]bool{}
		for _, service := range project.AllServices() {
			for _, profile := range service.Profiles {
				if !seen[profile] {
					lines = append(lines, profile)
				}
				seen[profile] = true
			}
		}
	}
	return lines, nil
}

func (o *options) answer() ([]byte, error) {
	if !(o.services || o.images || o.volumes || o.networks || o.listProfiles || o.models ||
		o.variables || o.environment) {
		return o.config()
	}
	lines, err := o.list()
	sort.Strings(lines)
	return []byte(strings.Join(append(lines, ""), "\n")), err
}

// `format: raw` of an env_file, which Docker Compose adds to compose-go.
func readRaw(r io.Reader, _ string, vars map[string]string, find func(string) (string, bool)) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimLeft(lines.Text(), " \t\v\f\r")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, given := strings.Cut(line, "=")
		if name == "" || strings.ContainsAny(name, " \t") {
			return fmt.Errorf("variable '%s' has no name or white space in it", name)
		}
		if given {
			vars[name] = value
		} else if value, found := find(name); found {
			vars[name] = value
		}
	}
	return lines.Err()
}

func main() {
	logrus.SetOutput(io.Discard)
	dotenv.RegisterFormat("raw", readRaw)
	o, err := parse(os.Args[1:])
	if err == nil {
		adoptComposeVariables(o)
		var content []byte
		if content, err = o.answer(); err == nil && !o.quiet {
			_, err = os.Stdout.Write(content)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
