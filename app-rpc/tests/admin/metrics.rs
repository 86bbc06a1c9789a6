//! Metrics, in pieces.

use app_core::prelude::*;
use app_metrics::{GaugeVectorSpec, Metrics};
use app_rpc::Role;
use schema::admin_capnp::{MetricsFormat, app, text_reader};

use crate::stand::{STORE, Stand, call};

async fn reader(app: &app::Client, format: MetricsFormat) -> Result<text_reader::Client, capnp::Error> {
    let mut request = app.metrics_request();
    request.get().set_format(format);
    request.send().promise.await?.get()?.get_text()
}

async fn piece(reader: &text_reader::Client, most: u32) -> Result<(Vec<u8>, bool), capnp::Error> {
    let mut request = reader.read_request();
    request.get().set_max_bytes(most);
    let answer = request.send().promise.await?;
    let answer = answer.get()?;
    Ok((answer.get_piece()?.to_vec(), answer.get_end()))
}

/// The whole text, and the length of the longest piece.
async fn all(reader: &text_reader::Client, most: u32) -> Result<(String, usize), capnp::Error> {
    let (mut text, mut longest) = (Vec::new(), 0);
    loop {
        let (piece, end) = piece(reader, most).await?;
        longest = longest.max(piece.len());
        text.extend(piece);
        if end {
            let text = String::from_utf8(text).map_err(|error| capnp::Error::failed(error.to_string()))?;
            return Ok((text, longest));
        }
    }
}

#[tokio::test]
async fn both_formats_are_read_in_pieces_that_fit_a_message() {
    let stand = Stand::new().await;
    let series = 20_000;
    let spec = GaugeVectorSpec::new(STORE, MetricId::new(0x517e), "Shelves.", ["shelf"]).max_series(series);
    let vector = stand.app.get::<Metrics>().gauge_vector(spec).unwrap();
    for shelf in 0..series {
        vector.with([shelf.to_string().as_str()]).unwrap().set(1.0);
    }
    let client = stand.client(Role::Read);
    let texts = call(&client, |app| async move {
        let text = all(&reader(&app, MetricsFormat::Text).await?, 0).await?;
        let large = all(&reader(&app, MetricsFormat::Text).await?, u32::MAX).await?;
        let small = reader(&app, MetricsFormat::OpenMetrics).await?;
        let (beginning, end) = piece(&small, 7).await?;
        let open = all(&small, 100_000).await?;
        let after = piece(&small, 100).await?;
        Ok((text, large, (beginning, end), open, after))
    })
    .await
    .unwrap();
    let ((text, piece), (large, large_piece), beginning, (open, open_piece), after) = texts;
    assert!(text.len() > 2 * 1024 * 1024, "{}", text.len());
    assert_eq!((piece, large_piece, open_piece), (64 * 1024, 256 * 1024, 100_000));
    for text in [&text, &large, &open] {
        assert_eq!(text.lines().filter(|line| line.contains("shelf=\"")).count(), series);
    }
    assert!(text.contains("process_resident_memory_bytes{") && !text.contains("# EOF"));
    assert_eq!(beginning, (b"# HELP ".to_vec(), false));
    assert!(open.ends_with("# EOF\n"));
    assert_eq!(after, (Vec::new(), true), "a read after the end is empty");
    stand.stop().await;
}

#[tokio::test]
async fn a_client_may_have_few_readers_and_another_one_after_it_released_one() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    let outcomes = call(&client, |app| async move {
        let mut readers = Vec::new();
        let refused = loop {
            match reader(&app, MetricsFormat::Text).await {
                Ok(reader) => readers.push(reader),
                Err(refused) => break refused.extra,
            }
        };
        let most = readers.len();
        readers.pop();
        // The release is a message before this call.
        let again = reader(&app, MetricsFormat::Text).await.is_ok();
        Ok((most, refused, again))
    });
    let (most, refused, again) = outcomes.await.unwrap();
    assert_eq!((most, again), (8, true));
    assert!(refused.contains("this client already has 8 readers of metrics: release one"), "{refused}");
    stand.stop().await;
}
