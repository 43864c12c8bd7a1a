package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// demoSecret signs the demo's webhooks: on loopback, for as long as the demo runs.
const demoSecret = "the demo's webhook secret" //nolint:gosec // G101: it protects nothing

// demoRepository is where the demo's bot is developed: a bare repository and a working copy of it.
type demoRepository struct {
	bare, work string
	hook       string // where pushes are announced
}

// newDemoRepository makes an empty one.
func newDemoRepository(ctx context.Context, dir string) (*demoRepository, error) {
	r := &demoRepository{bare: filepath.Join(dir, "bot.git"), work: filepath.Join(dir, "work")}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", r.bare},
		{"init", "--quiet", "--initial-branch=main", r.work},
		{"-C", r.work, "remote", "add", "origin", r.bare},
	} {
		if _, err := r.git(ctx, args...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// push commits a bot's code and pushes it; the commit's hash comes back.
func (r *demoRepository) push(ctx context.Context, script demoScript) (string, error) {
	code, err := json.MarshalIndent(script, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the bot's code: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.work, demoBotFile), append(code, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("write the bot's code: %w", err)
	}
	for _, args := range [][]string{
		{"-C", r.work, "add", "--all"},
		{"-C", r.work, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "--message", "version " + script.Version},
		{"-C", r.work, "push", "--quiet", "origin", "main"},
	} {
		if _, err := r.git(ctx, args...); err != nil {
			return "", err
		}
	}
	return r.git(ctx, "-C", r.work, "rev-parse", "HEAD")
}

func (r *demoRepository) git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput() //nolint:gosec // G204: arguments of our own
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return strings.TrimSpace(string(out)), nil
}

// announce sends the webhook of a push, signed as GitHub does, and returns the answer.
func (r *demoRepository) announce(ctx context.Context, commit, version, delivery string) (string, error) {
	body, err := json.Marshal(map[string]any{
		"ref": "refs/heads/main", "after": commit, "head_commit": map[string]string{"id": commit, "message": "version " + version},
		"pusher": map[string]string{"name": "ada"},
	})
	if err != nil {
		return "", fmt.Errorf("write the webhook: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(demoSecret))
	mac.Write(body)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.hook, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("send the webhook: %w", err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": delivery,
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("send the webhook: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if closed := response.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", fmt.Errorf("read the webhook's answer: %w", err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, bytes.TrimSpace(answer)), nil
}
