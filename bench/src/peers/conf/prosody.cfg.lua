-- As Debian has it, without the limit of 10 kB/s, without servers among each other, and without the daemon; with direct TLS
-- and rooms. Storage, accounts, waiting messages and logging are at their defaults.
data_path = "@DATA@"
pidfile = "@DATA@/prosody.pid"
interfaces = { "127.0.0.1" }
c2s_ports = { }
c2s_direct_tls_ports = { 5223 }
s2s_ports = { }
modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "pep"; "private";
	"smacks"; "vcard4"; "vcard_legacy"; "csi_simple"; "invites"; "invites_adhoc"; "invites_register";
	"ping"; "register"; "time"; "uptime"; "version"; "admin_adhoc"; "posix";
}
modules_disabled = { "s2s" }
authentication = "internal_hashed"
archive_expires_after = "1w"
log = { info = "@DATA@/prosody.log" }
ssl = { certificate = "@TLS@/server.pem"; key = "@TLS@/server.key" }
certificates = "@TLS@"
VirtualHost "localhost"
Component "conference.localhost" "muc"
