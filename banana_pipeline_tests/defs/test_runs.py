"""One run over many shards: what it leaves behind for each of them."""

from collections import Counter

from banana_pipeline.defs.partitions import contiguous_ranges, register_shards
from banana_pipeline_tests.defs.world import World, tags_of

PER_SHARD = ("prompts", "rejected_prompts", "generations", "images")
SHARDS = ["boats.0000", "boats.0001", "boats.0002"]


def _boats(world: World) -> None:
    prompts = [f"boat {number}" for number in range(6)] + ["boat [fail:policy]", ""]
    world.add_table("boats", {"id": [f"b{number}" for number in range(8)], "prompt": prompts})


def test_a_run_over_several_shards_reports_each_shard_of_each_asset_once(world: World) -> None:
    _boats(world)
    result = world.run()
    assert result.success
    assert {asset: Counter(dict.fromkeys(SHARDS, 1)) for asset in PER_SHARD} == {
        asset: Counter({shard: len(events) for shard, events in world.events(asset).items()}) for asset in PER_SHARD
    }
    assert world.instance.get_runs_count() == 1


def test_every_shard_has_a_data_version_of_its_own(world: World) -> None:
    _boats(world)
    world.run()
    for asset in ("prompts", "generations", "images"):
        versions = {tags_of(events[-1])["dagster/data_version"] for events in world.events(asset).values()}
        assert len(versions) == 3


def test_a_shard_of_generations_says_what_became_of_its_rows_and_what_they_cost(world: World) -> None:
    _boats(world)
    world.run()
    told = world.metadata("generations", "boats.0002")
    counts = {name: value for name, value in told.items() if name.startswith("rows_")}
    names = ("succeeded", "failed", "refused", "pending", "overdue", "unconfirmed", "not_submitted", "reused")
    assert counts == {**{f"rows_{name}": 0 for name in names}, "rows_failed": 1}
    assert [told[name] for name in ("dagster/partition_row_count", "credits", "cost_usd", "success_rate")] == [
        1,
        0,
        0,
        0,
    ]
    first = world.metadata("generations", "boats.0000")
    assert (first["rows_succeeded"], first["credits"], first["cost_usd"]) == (3, 54.0, 0.27)


def test_failures_stand_in_a_table_with_the_reason(world: World) -> None:
    _boats(world)
    world.run()
    lines = world.metadata("generations", "boats.0002")["not_succeeded"].splitlines()
    assert lines[0] == "| row_number | id | prompt | status | status_reason |"
    assert lines[2].startswith("| 6 | b6 | boat &#91;fail:policy&#93; | failed | KIE could not make the image")


def test_rejected_rows_stand_in_a_table_with_their_problems(world: World) -> None:
    _boats(world)
    world.run()
    told = world.metadata("rejected_prompts", "boats.0002")
    assert told["rows_rejected"] == 1
    assert "prompt is empty" in told["rejected"]


def test_each_report_says_where_its_file_is(world: World) -> None:
    _boats(world)
    world.run()
    for asset in PER_SHARD:
        for shard in SHARDS:
            name = shard.removeprefix("boats.")
            expected = world.folder / "warehouse" / asset / "source=boats" / f"{name}.parquet"
            assert world.metadata(asset, shard)["dagster/uri"] == str(expected)
            assert expected.is_file()


def test_the_report_adds_up_all_tables(world: World) -> None:
    _boats(world)
    world.add_table("cars", ["car 1", "car 2"])
    world.run()
    told = world.metadata("generation_report")
    assert (told["requests"], told["credits"], told["cost_usd"]) == (9, 144.0, 0.72)
    assert [line.split(" | ")[0] for line in told["per_table"].splitlines()[2:]] == ["| boats", "| cars"]


def test_a_run_over_a_range_with_holes_leaves_the_holes_alone(world: World) -> None:
    _boats(world)
    keys = world.register()
    ranges = contiguous_ranges(["boats.0002", "boats.0000"], keys)
    assert ranges == [("boats.0000", "boats.0000"), ("boats.0002", "boats.0002")]
    for first, last in ranges:
        world.run(first, last)
    assert sorted(world.events("generations")) == ["boats.0000", "boats.0002"]
    assert sorted(task["input"]["prompt"] for task in world.bought) == [
        "boat 0",
        "boat 1",
        "boat 2",
        "boat [fail:policy]",
    ]


def test_shards_are_registered_once(world: World) -> None:
    assert register_shards(world.instance, SHARDS) == SHARDS
    assert register_shards(world.instance, [*SHARDS, "cars.0000"]) == ["cars.0000"]


def test_materializing_again_buys_nothing(world: World) -> None:
    _boats(world)
    world.run()
    before = len(world.bought)
    assert world.run().success
    assert before == len(world.bought) == 7


def test_an_unreadable_table_does_not_stop_the_others(world: World) -> None:
    world.add_table("a_good", ["one"])
    world.add_table("b_bad", ["two"])
    world.add_table("c_good", ["three"])
    world.register()
    (world.prompts / "b_bad.parquet").write_bytes(b"PAR1 half of it")
    assert world.run().success
    assert sorted(world.events("images")) == ["a_good.0000", "c_good.0000"]


def test_the_unreadable_table_is_named_in_the_log(world: World, capfd) -> None:
    world.add_table("good", ["one"])
    world.add_table("half", ["two"])
    world.register()
    (world.prompts / "half.parquet").write_bytes(b"PAR1 half of it")
    world.run()
    assert "Table 'half' cannot be read" in capfd.readouterr().err


def test_a_table_whose_name_needs_encoding_goes_all_the_way(world: World) -> None:
    world.add_table("Weihnachts-Karten 2026 ☃", ["one"])
    assert world.run().success
    (shard,) = world.events("images")
    assert shard == "Weihnachts-Karten%202026%20%E2%98%83.0000"
