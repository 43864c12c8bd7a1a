package alert

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	discordLimit = 2000   // of Discord for the text of a message
	noEmbeds     = 1 << 2 // the flag SUPPRESS_EMBEDS: a link in a detail shows no page
)

var (
	discordPath  = regexp.MustCompile(`^/api/(?:v\d+/)?webhooks/\d+/[A-Za-z0-9_-]+/?$`)
	discordID    = regexp.MustCompile(`^\d+$`)
	discordToken = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

var errDiscord = errors.New(`the URL is of Discord but not of a webhook; use the one that "Copy Webhook URL" gives`)

// isDiscord knows Discord's names.
func isDiscord(host string) bool {
	host = strings.ToLower(host)
	for _, name := range []string{"discord.com", "discordapp.com"} {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}

// newDiscord is for a webhook's own URL and for the library's discord://TOKEN@ID, of which thread_id, username and avatar are
// kept and what concerns its looks is ignored.
func newDiscord(u *url.URL, transport http.RoundTripper) (sender, error) {
	in := u.Query()
	query := url.Values{"wait": {"true"}} // or Discord answers before it has looked at the message
	if thread := in.Get("thread_id"); thread != "" {
		query.Set("thread_id", strings.TrimSpace(thread))
	}
	to := *u
	switch {
	case u.Scheme == "discord" && discordID.MatchString(u.Host) && discordToken.MatchString(u.User.Username()):
		to = url.URL{Scheme: "https", Host: "discord.com", Path: "/api/webhooks/" + u.Host + "/" + u.User.Username()}
	case u.Scheme != "https" || !discordPath.MatchString(u.Path):
		return nil, errDiscord
	}
	to.RawQuery, to.Fragment, to.User = query.Encode(), "", nil
	avatar := in.Get("avatar")
	if avatar == "" {
		avatar = in.Get("avatarurl")
	}
	return post("discord", &to, transport, func(m message) any {
		return discordMessage{
			Content: m.text(discordStyle()), Username: in.Get("username"), Avatar: avatar, Flags: noEmbeds,
			Mentions: discordMentions{Parse: []string{}},
		}
	}), nil
}

type discordMessage struct {
	Content  string          `json:"content"`
	Username string          `json:"username,omitempty"`
	Avatar   string          `json:"avatar_url,omitempty"`
	Flags    int             `json:"flags"`
	Mentions discordMentions `json:"allowed_mentions"`
}

// discordMentions with nothing in it mentions nobody.
type discordMentions struct {
	Parse []string `json:"parse"`
}

func discordStyle() style {
	return style{
		limit:  discordLimit,
		strong: func(s string) string { return "**" + s + "**" },
		quote:  escapeMarkdown,
		clock:  func(t time.Time) string { return fmt.Sprintf("<t:%d:T>", t.Unix()) }, // in the reader's own time zone
	}
}

// escapeMarkdown makes text be shown as it is. At most one character is added to each.
func escapeMarkdown(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\*_~|`[]()<>#-", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
