//! Two people on slow, dropped and overtaking connections.

use anyhow::{Result, ensure};
use tacite_e2e::{Message, Mode, Person, Proxy, Weather, World, in_each_mode};

in_each_mode!(
    slow_and_overtaking_connections_lose_nothing,
    dropped_connections_lose_nothing,
    meeting_works_in_bad_weather,
);

/// Alice and Bob, each with bad weather of their own.
fn in_weather(world: &World, weather: Weather) -> Result<(Person, Person, [Proxy; 2])> {
    let (mut alice, mut bob) = world.contacts("alice", "bob")?;
    let alices = Proxy::start(world.server.address(), weather)?;
    let bobs = Proxy::start(world.server.address(), Weather { seed: weather.seed + 1, ..weather })?;
    alice.connect_by_way_of(Some(alices.address()));
    bob.connect_by_way_of(Some(bobs.address()));
    Ok((alice, bob, [alices, bobs]))
}

/// Both write in turns while the other listens; all must be heard once, in order.
fn talk(alice: &Person, bob: &Person) -> Result<()> {
    let mut expected = Vec::new();
    for round in 0..3 {
        for (author, reader) in [(alice, bob), (bob, alice)] {
            let mut listening = reader.start(&["listen"])?;
            for part in ["one", "two"] {
                let text = format!("{part} of {} in round {round}", author.handle());
                author.send(reader, &text, "received")?;
                assert_eq!(Message::from_line(&listening.next_line()?)?.text, text);
                expected.push(text);
            }
            listening.interrupt()?;
            assert_eq!(listening.wait()?.0, [""; 0], "heard more than was said");
        }
    }
    for (reader, other) in [(alice, bob), (bob, alice)] {
        let held: Vec<_> = reader.history(other)?.into_iter().map(|message| message.text).collect();
        assert_eq!(held, expected, "{}", reader.handle());
    }
    Ok(())
}

// C6, T15
fn slow_and_overtaking_connections_lose_nothing(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let weather = Weather { seed: 1, delay_ms_max: 40, ..Weather::CALM };
    let (alice, bob, _weather) = in_weather(&world, weather)?;
    talk(&alice, &bob)
}

// C6, T15
fn dropped_connections_lose_nothing(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    // A handshake with log-in has about 8 kB, so some are cut within it and some after.
    let weather = Weather { seed: 2, delay_ms_max: 5, cuts: 12, cut_bytes_max: 16_000, ..Weather::CALM };
    let (alice, bob, weather) = in_weather(&world, weather)?;
    talk(&alice, &bob)?;
    let cut: usize = weather.iter().map(Proxy::cut).sum();
    ensure!(cut >= 6, "only {cut} connections were cut");
    Ok(())
}

// B1
fn meeting_works_in_bad_weather(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let weather = Weather { seed: 3, delay_ms_max: 10, cuts: 6, cut_bytes_max: 60_000, ..Weather::CALM };
    let proxy = Proxy::start(world.server.address(), weather)?;
    let (mut alice, mut bob) = (world.stranger("alice")?, world.stranger("bob")?);
    for person in [&mut alice, &mut bob] {
        person.connect_by_way_of(Some(proxy.address()));
        person.register(&world.server.invite(1)?)?;
    }
    alice.befriend(&bob)?;
    talk(&alice, &bob)
}
