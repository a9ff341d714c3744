//! What is refused, how it is said, and that nothing is lost by it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tacite_e2e::{Finished, Message, Mode, World, in_each_mode};

in_each_mode!(
    a_second_process_on_a_profile_is_told_who_holds_it,
    a_new_session_wants_password_and_words,
    a_wrong_passphrase_opens_nothing,
    who_is_no_contact_is_not_written_to,
    registering_wants_a_free_name_and_a_good_invitation,
    a_server_with_another_key_is_not_talked_to,
);

/// The error object that a command left on stderr.
fn error(finished: &Finished) -> Result<Value> {
    let objects = finished.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut errors = objects.filter_map(|object| object.get("error").cloned());
    errors.next().with_context(|| format!("no error object on stderr: {}", finished.stderr))
}

/// Whatever is refused has a code, a sentence and a next step.
fn expect_refusal(finished: Finished, exit: i32, code: u64) -> Result<()> {
    let finished = finished.expect(exit)?;
    let error = error(&finished)?;
    ensure!(error["code"] == code, "{error} instead of {code}");
    for key in ["word", "sentence", "next_step"] {
        ensure!(error[key].as_str().is_some_and(|text| !text.is_empty()), "{key} is missing: {error}");
    }
    Ok(())
}

// B9, T19
fn a_second_process_on_a_profile_is_told_who_holds_it(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    let mut listening = bob.start(&["listen"])?;
    // Once it has heard something it surely holds the profile.
    alice.send(&bob, "are you there?", "received")?;
    assert_eq!(Message::from_line(&listening.next_line()?)?.text, "are you there?");
    let refused = bob.run(&["send", "@alice", "yes"])?.expect(6)?;
    let error = error(&refused)?.to_string();
    ensure!(error.contains(&listening.process_id().to_string()), "the holder is not named: {error}");
    ensure!(error.contains("listen"), "what the holder does is not named: {error}");
    listening.kill()?;
    bob.send(&alice, "yes", mode.reach_while_away())?;
    assert_eq!(world.deliver(&bob, &alice)?.len(), 1);
    Ok(())
}

// B2, B3: password first, then words; each wrong one is refused alike.
fn a_new_session_wants_password_and_words(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    alice.results(&["logout"])?;
    bob.send(&alice, "come back", mode.reach_while_away())?;
    alice.run(&["send", "@bob", "am I in?"])?.expect(4)?;
    for (secret, wrong, right) in [
        ("password", "wrong-password\n".to_owned(), alice.password()),
        ("words", "these are wrong\n".to_owned(), alice.words()),
    ] {
        std::fs::write(alice.secret_file(secret), wrong)?;
        let refused = alice.run(&["login"])?;
        ensure!(refused.code != Some(0), "a wrong {secret} was taken");
        assert_eq!(error(&refused)?["code"], 441, "{secret}");
        std::fs::write(alice.secret_file(secret), format!("{right}\n"))?;
    }
    alice.results(&["login"])?;
    let heard = world.deliver(&bob, &alice)?;
    assert_eq!(heard.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["come back"]);
    Ok(())
}

// G4
fn a_wrong_passphrase_opens_nothing(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let alice = world.person("alice")?;
    std::fs::write(alice.secret_file("passphrase"), "a wrong passphrase\n")?;
    alice.run(&["contacts", "list"])?.expect(7)?;
    Ok(())
}

// C2
fn who_is_no_contact_is_not_written_to(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (alice, bob) = (world.person("alice")?, world.person("bob")?);
    expect_refusal(alice.run(&["contacts", "request", "@nobody"])?, 3, 404)?;
    ensure!(alice.run(&["send", "@bob", "psst"])?.code == Some(3), "a message to a stranger was taken");
    alice.results(&["contacts", "request", "@bob"])?;
    ensure!(alice.run(&["send", "@bob", "psst"])?.code == Some(3), "a message before acceptance was taken");
    bob.results(&["contacts", "refuse", "@alice"])?;
    ensure!(alice.run(&["send", "@bob", "psst"])?.code == Some(3), "a message after refusal was taken");
    assert_eq!(bob.listen_until_level()?, []);
    Ok(())
}

// B1
fn registering_wants_a_free_name_and_a_good_invitation(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (alice, mallory) = (world.stranger("alice")?, world.stranger("mallory")?);
    let invitation = world.server.invite(1)?;
    alice.register(&invitation)?;
    expect_refusal(mallory.run(&["register", "@mallory", "--invite", &invitation])?, 3, 410)?;
    let other = world.server.invite(1)?;
    expect_refusal(mallory.run(&["register", "@alice", "--invite", &other])?, 3, 409)?;
    mallory.register(&other)
}

// A5: the key in the invitation is the key that the server must show.
fn a_server_with_another_key_is_not_talked_to(mode: Mode) -> Result<()> {
    let (world, impostor) = (World::new(mode)?, World::new(mode)?);
    let mut alice = world.stranger("alice")?;
    alice.connect_by_way_of(Some(impostor.server.address()));
    let refused = alice.run(&["register", "@alice", "--invite", &world.server.invite(1)?])?;
    ensure!(refused.code != Some(0), "an impostor was believed");
    alice.connect_by_way_of(None);
    alice.register(&world.server.invite(1)?)
}
