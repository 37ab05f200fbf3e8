use strategy_core::time::SystemClock;

use super::*;

fn transport(weight_per_minute: u32, directory: &std::path::Path) -> Transport {
    Transport::new(TransportOptions {
        base: "http://127.0.0.1:9".to_owned(),
        weight_per_minute,
        timeout: Duration::from_secs(1),
        hold_file: directory.join("hold"),
        started: Instant::now(),
        clock: Arc::new(SystemClock),
    })
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_goes_on_when_the_exchange_tells_that_its_limit_is_higher() {
    let directory = tempfile::tempdir().unwrap();
    let transport = transport(100_000, directory.path());
    transport.admit(4_800, Urgency::Live).await.unwrap();
    let begun = Instant::now();
    let told = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        transport.learn_limit(12_000);
    };
    let (admitted, ()) = tokio::join!(transport.admit(4_000, Urgency::Live), told);
    admitted.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 5);
    // With nothing new it waits until what was spent is a minute old.
    transport.admit(4_000, Urgency::Live).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 60);
}
