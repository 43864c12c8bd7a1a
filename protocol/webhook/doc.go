// Package webhook takes in the push webhooks of GitHub, GitLab and Gitea (Forgejo sends the same) and tells a callback which
// commit was pushed to which fleet's branch. It knows no rule and no actor, and it does nothing with a commit itself.
//
// A request is answered in this order:
//
//	405  not a POST
//	429  too many wrong signatures from this address; an address behind which a reverse proxy may stand is never refused
//	413  the body is over the limit
//	404  no such fleet, a fleet without a hook, no signature or a wrong one: one answer, so that nothing can be found out
//	415  neither JSON nor, from GitHub, a form
//	400  signed, but not what the provider would send
//	200  {"accepted":false,"reason":…}: a ping, another event, branch or tag, a deleted branch, a message without the
//	     mark, or refused by the callback
//	202  {"accepted":true,…}: the callback took it
//	503  the callback failed: deliver it again
//
// Nothing is parsed before the signature is known to be right. The same work is done for a fleet that does not exist.
//
// A delivery that was accepted is remembered, by its id and, where the provider signs the body, by the body: delivered again it
// is answered as before, and the callback hears nothing. That memory is bounded and does not survive a restart, and the id is
// not signed, so a Push is still only a hint: what is deployed should be decided by what the branch holds once it is
// fetched, and refused releases stay refused.
//
// Of the payload only the commit, the branch, the message and the name of the pusher are read. The commit is hexadecimal and
// nothing else, the branch is the configured one, the other two are text for people. Its URLs, paths and repository names are
// never looked at.
//
// # Why no library
//
// go-playground/webhooks v6.4 (July 2024) reads the body without a limit, checks a signature only if a secret was given,
// does not know GitHub's forms, and depends on a client for Gogs. google/go-github's ValidatePayload knows GitHub alone, falls
// back to SHA-1 when the SHA-256 signature is absent, takes an empty secret for "do not check", and reads without a limit.
// What is needed of either is crypto/hmac and four fields of JSON. Signatures are compared by hmac.Equal, GitLab's token by the
// hash of it in constant time.
//
// Gitea signs the payload inside its form and not the form, so that it would have to be parsed first: choose JSON there.
package webhook
